"""Tables in Markdown and bars in SVG, out of what bench/run.py measured."""

import datetime
import html
import os
import platform
import statistics
import subprocess

COLOURS = {"direct": "#9aa5b1", "PgBouncer": "#d98e3f", "Weir": "#2f6fad", "bare relay": "#c9ced6"}
OTHERS = ("#b5651d", "#7a9e59", "#a05a8c")  # of competitors that are not everywhere


def median(runs, key):
    values = [r[key] for r in runs if r.get(key) is not None]
    return statistics.median(values) if values else None


def ratio(cells, mode, clients, name, base, key):
    """The median of the ratios of runs that were made side by side."""
    ours, theirs = cells.get((mode, clients, name)), cells.get((mode, clients, base))
    if not ours or not theirs:
        return None
    pairs = [a[key] / b[key] for a, b in zip(ours, theirs) if a[key] and b[key]]
    return statistics.median(pairs) if pairs else None


def number(value, form=",.0f"):
    return "–" if value is None else format(value, form)


def row(*cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def heading(*cells):
    return [row(*cells), "|" + "---|" * len(cells)]


def sqlite_table(cells):
    lines = ["## (a) SQLite, point SELECT", ""]
    lines += heading("", "clients", "queries/s", "of the floor", "p50 µs", "p99 µs",
                     "CPU, s per 100k")
    for (name, clients), runs in cells.items():
        lines.append(row(name, clients, number(median(runs, "rate")),
                         number(median(runs, "ratio"), ".3f"), number(median(runs, "p50")),
                         number(median(runs, "p99")), number(median(runs, "cpu"), ".2f")))
    return lines + [""]


def postgres_table(cells):
    lines = ["## (b) PostgreSQL, pgbench -S", ""]
    lines += heading("protocol", "clients", "", "queries/s", "p50 µs", "p99 µs",
                     "pooler CPU, s per 100k", "PostgreSQL CPU, s per 100k")
    for (mode, clients, name), runs in cells.items():
        lines.append(row(mode, clients, name, number(median(runs, "rate")),
                         number(median(runs, "p50")), number(median(runs, "p99")),
                         number(median(runs, "cpu"), ".2f"),
                         number(median(runs, "server_cpu"), ".2f")))
    return lines + [""] + ratio_table(cells)


def ratio_table(cells):
    lines = ["### Weir as a ratio", "",
             "Medians of the ratios of runs side by side; above 1 is better for queries/s, below 1"
             " for CPU.", ""]
    lines += heading("protocol", "clients", "queries/s: PgBouncer", "bare relay", "direct",
                     "gateway CPU: PgBouncer", "bare relay", "PostgreSQL CPU: direct")
    for mode, clients in dict.fromkeys((k[0], k[1]) for k in cells):
        def of(base, key):
            return number(ratio(cells, mode, clients, "Weir", base, key), ".2f")
        lines.append(row(mode, clients, of("PgBouncer", "rate"), of("bare relay", "rate"),
                         of("direct", "rate"), of("PgBouncer", "cpu"), of("bare relay", "cpu"),
                         of("direct", "server_cpu")))
    return lines + [""]


def limits_table(cells):
    lines = ["## (d) Loopback TCP round trip, 64 bytes", ""]
    lines += heading("clients", "round trips/s", "CPU of the echoing side, s per 100k")
    for clients, runs in cells.items():
        lines.append(row(clients, number(median(runs, "rate")), number(median(runs, "cpu"), ".2f")))
    return lines + [""]


# ---- bars ----

CHARTS = (("b", "throughput", "rate", "pgbench -S: queries/s (by protocol and clients)"),
          ("b", "cpu", "cpu", "pgbench -S: CPU of the pooler, s per 100k queries"),
          ("h", "rows", "rate", "results of a megabyte: results/s, 8 clients"),
          ("i", "connect", "rate", "a connection for each query: connections/s, 8 clients"))


def colours_for(cells):
    names = dict.fromkeys(k[2] for k in cells)
    rare = [n for n in names if n not in COLOURS]
    return {n: COLOURS.get(n) or OTHERS[rare.index(n) % len(OTHERS)] for n in names}


def bars(cells, key, title):
    """One group per protocol and number of clients, one bar per competitor."""
    colours = colours_for(cells)
    groups = list(dict.fromkeys((k[0], k[1]) for k in cells))
    names = [n for n in colours if any(k[2] == n and median(r, key) for k, r in cells.items())]
    top = max((median(r, key) or 0 for r in cells.values()), default=0) or 1
    width, height, left = 16, 220, 60
    step = max(96, width * len(names) + 24)
    total = left + step * len(groups) + 20
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height + 110}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="{total}" height="{height + 110}" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{html.escape(title)}</text>']
    for part in range(5):
        y = 40 + height - height * part / 4
        out.append(f'<line x1="{left}" x2="{total - 20}" y1="{y}" y2="{y}" stroke="#e4e7eb"/>'
                   f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{top * part / 4:,.4g}'
                   '</text>')
    for i, (mode, clients) in enumerate(groups):
        x = left + i * step + 8
        for j, name in enumerate(names):
            value = median(cells.get((mode, clients, name), []), key) or 0
            tall = height * value / top
            out.append(f'<rect x="{x + j * width}" y="{40 + height - tall:.1f}" '
                       f'width="{width - 2}" height="{tall:.1f}" fill="{colours[name]}">'
                       f'<title>{name}: {value:,.4g}</title></rect>')
        out.append(f'<text x="{x + 36}" y="{height + 56}" text-anchor="middle">{mode}</text>'
                   f'<text x="{x + 36}" y="{height + 70}" text-anchor="middle">{clients}</text>')
    for j, name in enumerate(names):
        x = left + j * 120
        out.append(f'<rect x="{x}" y="{height + 84}" width="12" height="12" '
                   f'fill="{colours[name]}"/><text x="{x + 18}" y="{height + 94}">{name}</text>')
    return "\n".join(out + ["</svg>", ""])


def circumstances(plan):
    def version(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]
        except OSError:
            return f"{command[0]}: not there"
    kind = "quick, good for a first look only" if plan.quick else "full"
    return [f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, "
            f"{os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"{version('pgbench', '--version')}, {version('/usr/sbin/pgbouncer', '-V')}. "
            f"A {kind} run: pgbench scale {plan.scale}, {plan.rounds} round(s) of "
            f"{plan.seconds} s. Load average at the end {os.getloadavg()[0]:.1f}.", "",
            "Medians; method and reading: bench/README.md. Reproduce with `make bench`.", ""]


def write(plan, tables, more):
    """Writes bench/results/; returns the Markdown. `more`: letter → maker of further tables."""
    plan.results.mkdir(parents=True, exist_ok=True)
    lines = ["# Weir beside its peers and its limits", "", *circumstances(plan)]
    makers = {"a": sqlite_table, "b": postgres_table, "d": limits_table, **more}
    for letter, make in makers.items():
        if tables.get(letter):
            lines += make(tables[letter])
    for letter, name, _, title in CHARTS:
        if tables.get(letter):
            lines += [f"![{title}]({name}.svg)", ""]
    text = "\n".join(lines)
    for letter, name, key, title in CHARTS:
        if tables.get(letter):
            (plan.results / f"{name}.svg").write_text(bars(tables[letter], key, title))
    (plan.results / "results.md").write_text(text)
    return text
