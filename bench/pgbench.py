"""One run of pgbench against a competitor, with the CPU that it and PostgreSQL took for it."""

import subprocess
import time

import servers

SELECT = ("-S",)


def per_100k(seconds, count):
    return seconds * 1e5 / count if count else 0.0


def latencies(directory):
    """p50 and p99 in microseconds, from pgbench's logs, which are removed."""
    values = []
    for log in directory.glob("pgbench_log.*"):
        values += [int(line.split()[2]) for line in log.read_text().splitlines()]
        log.unlink()
    values.sort()
    return [values[int(len(values) * part)] if values else 0 for part in (0.5, 0.99)]


def run(directory, postgres, competitor, *, mode="simple", clients=8, seconds=1, what=SELECT,
        sampling=0.05, environment=None, user="postgres"):
    """`what`: pgbench's words for the script. Times of few transactions want all of them logged:
    sampling 1. Pgbench's clock runs while its clients connect, so many of them get more of it."""
    length = max(1, round(seconds)) + clients // 100
    rate = [f"--sampling-rate={sampling}"] if sampling < 1 else []
    gateway_cpu, server_cpu = competitor.cpu(), postgres.cpu()
    done = subprocess.run(
        ["pgbench", "-n", "-M", mode, "-c", str(clients), "-j", str(min(clients, 2)),
         "-T", str(length), "--log", *rate, *what, "-h", "127.0.0.1", "-p", str(competitor.port),
         "-U", user, "postgres"],
        capture_output=True, text=True, cwd=directory,
        env={**servers.environment(), **(environment or {})})
    text = done.stdout
    if " processed: 0\n" in text and length < 30:  # not even all were connected
        return run(directory, postgres, competitor, mode=mode, clients=clients,
                   seconds=3 * length, what=what, sampling=sampling, environment=environment,
                   user=user)
    if done.returncode != 0 or "failed transactions: 0 " not in text:
        raise SystemExit(f"bench: pgbench on {competitor.name}: {text}{done.stderr}")
    time.sleep(0.1)  # the backends of direct clients end, and are counted with the postmaster
    count = int(text.split("actually processed: ")[1].split()[0].split("/")[0])
    p50, p99 = latencies(directory)
    own = competitor is not postgres
    cpu = per_100k(competitor.cpu() - gateway_cpu, count) if own else None
    server_cpu = per_100k(postgres.cpu() - server_cpu, count)
    return {"rate": float(text.split("tps = ")[1].split()[0]), "p50": p50, "p99": p99,
            "count": count, "cpu": cpu, "server_cpu": server_cpu,
            "both_cpu": server_cpu + (cpu or 0)}
