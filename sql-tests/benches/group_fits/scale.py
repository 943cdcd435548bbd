"""Do many groups stay within time and memory?

    python sql-tests/benches/group_fits/scale.py --tarn target/release/tarn [--part search|groups|load]

`search`: 1,000 groups of 500 rows by 20 columns, 16 settings by 3 folds, 48,000 fits in one statement (bound: 150 s on two
cores). `groups`: 10,000 and 100,000 groups of 100 rows by 10 columns (bound: at most 12 times as long for ten times as many),
with the most memory that the server took. `load`: point queries while a model of 1,000 groups is trained (bound: their p95 at
most twice that of an idle server, and training at least at 40 % of its speed alone).
"""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments, percentile  # noqa: E402


def fill(connection, name, groups, rows, columns):
    """A table of deterministic numbers, made where it is."""
    numbers = ", ".join(f"sin(i * {place}.37 + {place}) * {place} AS x{place}" for place in range(1, columns + 1))
    label = " + ".join(f"sin(x{place} * (1 + g % {place + 1}))" for place in range(1, 5))
    connection.execute(
        f"CREATE TABLE {name} AS SELECT *, {label} + 0.1 * sin(i * 91.7) AS y FROM"
        f" (SELECT i, (i::bigint * 7919) % {groups} AS g, {numbers} FROM generate_series(1, {groups * rows}) AS s(i)) q"
    )
    return ", ".join(f"x{place}" for place in range(1, columns + 1))


def timed(connection, sql):
    started = time.perf_counter()
    connection.execute(sql)
    return time.perf_counter() - started


def search(server, connection):
    columns = fill(connection, "wide", 1000, 500, 20)
    calls = []
    for setting in range(16):
        leaves, rate = (7, 15, 31, 63)[setting % 4], (0.05, 0.1, 0.2, 0.3)[setting // 4]
        for fold in range(3):
            calls.append(
                f"train_trees(y, {columns}, rounds => 100, max_leaves => {leaves}, learning_rate => {rate}, max_bins => 63)"
                f" FILTER (WHERE i % 3 <> {fold}) IS NULL AS m{setting}_{fold}"
            )
    seconds = timed(connection, f"CREATE TABLE searched AS SELECT g, {', '.join(calls)} FROM wide GROUP BY g")
    print(f"search: 48,000 fits in {seconds:.1f} s, {48000 / seconds:.0f} fits/s, peak {server.memory_kib('VmHWM') / 1024:.0f} MiB", flush=True)
    return seconds <= 150


def groups(server, connection):
    times = []
    for count in (10_000, 100_000):
        columns = fill(connection, f"many_{count}", count, 100, 10)
        seconds = timed(
            connection,
            f"CREATE TABLE models_{count} AS SELECT g, train_trees(y, {columns}, rounds => 30, max_leaves => 8) AS model"
            f" FROM many_{count} GROUP BY g",
        )
        times.append(seconds)
        peak = server.memory_kib("VmHWM") / 1024
        print(f"groups: {count:,} in {seconds:.1f} s, {count / seconds:,.0f} models/s, peak {peak:,.0f} MiB", flush=True)
    return times[1] <= 12 * times[0]


def load(server, connection):
    columns = fill(connection, "wide", 1000, 500, 20)
    connection.execute("CREATE TABLE points AS SELECT i AS id, i * 2 AS v FROM generate_series(1, 10000) AS s(i)")
    train = f"CREATE OR REPLACE MODEL loaded TARGET y PARTITION BY (g) AS trees (rounds = 100) SELECT g, y, {columns} FROM wide"

    def points(stop, times):
        with server.connect() as other:
            number = 0
            while not stop():
                number += 1
                started = time.perf_counter()
                other.execute("SELECT v FROM points WHERE id = %s", (number % 10000 + 1,)).fetchall()
                times.append(time.perf_counter() - started)
                time.sleep(0.01)

    idle, busy = [], []
    end = time.perf_counter() + 5
    points(lambda: time.perf_counter() > end, idle)
    alone = timed(connection, train)
    done = threading.Event()
    reader = threading.Thread(target=points, args=(done.is_set, busy))
    reader.start()
    together = timed(connection, train)
    done.set()
    reader.join()
    p95 = percentile(idle, 0.95), percentile(busy, 0.95)
    print(
        f"load: point query p95 {p95[0] * 1000:.1f} ms idle, {p95[1] * 1000:.1f} ms while training ({p95[1] / p95[0]:.1f} times);"
        f" training {alone:.1f} s alone, {together:.1f} s with them ({alone / together:.0%} of its speed)",
        flush=True,
    )
    return p95[1] <= 2 * p95[0] and alone >= 0.4 * together


def main():
    options = arguments(__doc__, ("--part", "search,groups,load", "parts to run"))
    parts = {"search": search, "groups": groups, "load": load}
    kept = True
    for name in options.part.split(","):
        with Tarn(options.tarn) as server, server.connect() as connection:
            kept &= parts[name](server, connection)
    sys.exit(0 if kept else 1)


main()
