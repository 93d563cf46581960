"""Other poolers on the same terms as Weir: one thread, transaction mode, POOL_SIZE connections.
Debian's PgBouncer is a package; newer ones and Odyssey are used where --peers names a directory
that holds programs of these names (bench/README.md)."""

import pathlib
import shutil
import subprocess

import servers
from servers import POOL_SIZE, Server, free_port

CLIENTS_MAX = 12000


def version_of(program):
    text = subprocess.run([program, "-V"], capture_output=True, text=True).stdout
    return text.split()[1]


def pgbouncer_with(program, name, directory, postgres, access):
    port = free_port()
    # In transaction mode from 1.21 on, and only when told.
    knows_prepared = tuple(map(int, version_of(program).split(".")[:2])) >= (1, 21)
    users = directory / f"users-{port}.txt"
    users.write_text(f'"{servers.USER}" "{servers.PASSWORD}"\n')
    tls = [f"client_tls_{key} = {value}" for key, value in (
        ("sslmode", "allow"), ("key_file", access.peers_key), ("cert_file", access.cert))
           if access.tls]
    lines = [
        "[databases]",
        f"postgres = host=127.0.0.1 port={postgres.port} dbname=postgres user=postgres",
        "[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}", "unix_socket_dir =",
        f"auth_type = {'scram-sha-256' if access.scram else 'any'}",
        f"auth_file = {users}", "pool_mode = transaction", f"default_pool_size = {POOL_SIZE}",
        f"min_pool_size = {POOL_SIZE}", f"max_client_conn = {CLIENTS_MAX}",
        "listen_backlog = 4096", "ignore_startup_parameters = extra_float_digits",
        "log_connections = 0", "log_disconnections = 0",
        *(["max_prepared_statements = 200"] if knows_prepared else []), *tls]
    config = directory / f"pgbouncer-{port}.ini"
    config.write_text("\n".join(lines) + "\n")
    server = Server(name, [program, "-q", config], port, True,
                    stderr=(directory / "pgbouncer.log").open("a")).ready()
    server.knows_prepared = knows_prepared
    return server


def pgbouncer(directory, postgres, access=servers.TRUST):
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    return pgbouncer_with(program, "PgBouncer", directory, postgres, access)


def odyssey_config(directory, postgres, port, access):
    listen = f'host "127.0.0.1" port {port} backlog 4096'
    if access.tls:
        listen += f' tls "allow" tls_key_file "{access.peers_key}" tls_cert_file "{access.cert}"'
    known = f'authentication "scram-sha-256" password "{servers.PASSWORD}"'
    return f"""
daemonize no
unix_socket_dir "{directory}"
unix_socket_mode "0600"
locks_dir "{directory}"
log_format "%p %t %l %c %m\\n"
log_to_stdout no
log_file "{directory}/odyssey.log"
log_session no
log_stats no
log_config no
workers 1
resolvers 1
client_max {CLIENTS_MAX}
listen {{ {listen} }}
storage "one" {{ type "remote" host "127.0.0.1" port {postgres.port} }}
database default {{
    user default {{
        {known if access.scram else 'authentication "none"'}
        storage "one"
        storage_db "postgres"
        storage_user "postgres"
        pool "transaction"
        pool_size {POOL_SIZE}
        pool_timeout 0
        pool_discard no
        pool_smart_discard no
        pool_reserve_prepared_statement yes
        application_name_add_host no
        log_debug no
    }}
}}
"""


def odyssey_with(program, directory, postgres, access):
    port = free_port()
    config = directory / f"odyssey-{port}.conf"
    config.write_text(odyssey_config(directory, postgres, port, access))
    return Server("Odyssey", [program, config], port, True, cwd=directory,
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).ready()


def pgpool(directory, postgres):
    """Pgpool-II with its cache of results, which forgets a table's when the table is written. A
    process for each client."""
    program = shutil.which("pgpool") or "/usr/sbin/pgpool"
    if not pathlib.Path(program).exists():
        return None
    port, where = free_port(), directory / "pgpool"
    where.mkdir()
    (where / "oids").mkdir()
    settings = {
        "backend_clustering_mode": "raw", "listen_addresses": "127.0.0.1", "port": port,
        "unix_socket_directories": where, "pcp_listen_addresses": "", "pcp_port": free_port(),
        "pcp_socket_dir": where, "backend_hostname0": "127.0.0.1", "backend_port0": postgres.port,
        "backend_weight0": 1, "backend_flag0": "DISALLOW_TO_FAILOVER", "enable_pool_hba": "off",
        "pool_passwd": "", "num_init_children": 64, "max_pool": 1, "child_life_time": 0,
        "pid_file_name": where / "pid", "logdir": where, "log_min_messages": "fatal",
        "load_balance_mode": "off", "sr_check_period": 0, "health_check_period": 0,
        "failover_on_backend_error": "off", "memory_cache_enabled": "on",
        "memqcache_method": "shmem", "memqcache_total_size": "256MB",
        "memqcache_max_num_cache": 1000000, "memqcache_expire": 0,
        "memqcache_auto_cache_invalidation": "on", "memqcache_oiddir": where / "oids"}
    config = where / "pgpool.conf"
    config.write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))
    for name in ("pcp.conf", "pool_hba.conf"):
        (where / name).write_text("")
    servers.give_to_postgres(where)
    return servers.Family(
        "Pgpool-II", [program, "-n", "-f", config, "-F", where / "pcp.conf", "-a",
                      where / "pool_hba.conf"], port, True, cwd=where,
        stdout=subprocess.DEVNULL, stderr=(where / "log").open("w")).ready()


class Peers:
    """What there is on this machine: `starts` makes each of them, by name."""

    def __init__(self, directory):
        self.starts = {"PgBouncer": pgbouncer}
        where = pathlib.Path(directory) if directory else None
        newer, other = (where / name if where else None for name in ("pgbouncer", "odyssey"))
        if newer and newer.exists():
            name = f"PgBouncer {'.'.join(version_of(newer).split('.')[:2])}"
            self.starts[name] = lambda d, p, access=servers.TRUST: pgbouncer_with(
                newer, name, d, p, access)
        if other and other.exists():
            self.starts["Odyssey"] = lambda d, p, access=servers.TRUST: odyssey_with(
                other, d, p, access)

    def with_weir(self):
        return {**self.starts, "Weir": servers.weir_postgres}
