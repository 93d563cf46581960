"""Servers for the tier behind the cache: Redis as a process of its own, alone or as a cluster."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from support import clean_environment, free_port, wait_until


class Redis:
    """redis-server on a port of its own, ended by pid."""

    def __init__(self, *options, cluster=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-redis-"))
        self.port = free_port()
        self.options = [str(o) for o in options]
        if cluster:
            self.options += ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
                             "--cluster-port", str(free_port())]
        self.process = None

    def start(self):
        ports = [] if "--tls-port" in self.options else ["--port", str(self.port)]
        self.process = subprocess.Popen(
            ["redis-server", *ports, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self.directory), *self.options],
            stdin=subprocess.DEVNULL, stdout=(self.directory / "log").open("ab"),
            stderr=subprocess.STDOUT, env=clean_environment())
        wait_until(lambda: b"Ready to accept connections" in (self.directory / "log").read_bytes())
        return self

    def ask(self, *words, options=()):
        return subprocess.run(["redis-cli", "-p", str(self.port), *options, *map(str, words)],
                              capture_output=True, text=True, errors="replace", check=True,
                              timeout=20).stdout

    def keys(self, **more):
        return self.ask("KEYS", "*", **more).split()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait(30)
        self.process = None
        (self.directory / "log").write_bytes(b"")

    def remove(self):
        if self.process is not None:
            self.signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cluster:
    """Three of them that share the slots."""

    def __init__(self):
        self.nodes = [Redis(cluster=True).start() for _ in range(3)]
        first = self.nodes[0]
        for i, node in enumerate(self.nodes):
            low, high = i * 16384 // 3, (i + 1) * 16384 // 3 - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", low, high)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            first.ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        wait_until(lambda: all("cluster_state:ok" in n.ask("CLUSTER", "INFO") and
                               "cluster_known_nodes:3" in n.ask("CLUSTER", "INFO")
                               for n in self.nodes), 40)

    def move(self, slot, source, target):
        """One slot and what is in it, from node to node."""
        ids = [n.ask("CLUSTER", "MYID").strip() for n in self.nodes]
        a, b = self.nodes[source], self.nodes[target]
        b.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        a.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        for key in a.ask("CLUSTER", "GETKEYSINSLOT", slot, 1000).split():
            a.ask("MIGRATE", "127.0.0.1", b.port, key, 0, 5000)
        for node in (b, a):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])

    def remove(self):
        for node in self.nodes:
            node.remove()
