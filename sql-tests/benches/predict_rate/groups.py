"""Does a model with groups score as fast as one without?

    taskset -c 0 python sql-tests/benches/predict_rate/groups.py --tarn target/release/tarn

100 trees of 31 leaves over 12 numeric features, in one model and in 1,000, on the same rows, whose groups do not lie together.
Bound: the model with groups scores at least 70 % of the other's rows per second. The time of reading the rows is taken off.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments, best_seconds  # noqa: E402


def main():
    options = arguments(
        __doc__, ("--rows", 2000000, "rows to score"), ("--groups", 1000, "groups"), ("--runs", 3, "runs, of which the best counts")
    )
    with Tarn(options.tarn) as server, server.connect() as connection:
        columns = [f"x{place}" for place in range(1, 13)]
        made = ", ".join(f"sin(i * {place}.7) * {place} AS {name}" for place, name in enumerate(columns, 1))
        target = " + ".join(f"sin({name} * {place})" for place, name in enumerate(columns, 1))
        connection.execute(
            f"CREATE TABLE numbers AS SELECT *, {target} + g % 7 AS y FROM"
            f" (SELECT (i::bigint * 7919) % {options.groups} AS g, {made} FROM generate_series(1, {options.rows}) AS s(i)) q"
        )
        settings = "trees (rounds = 100, max_leaves = 31, min_rows = 5)"
        some = f"SELECT * FROM numbers LIMIT {min(options.rows, 400 * options.groups)}"
        connection.execute(f"CREATE MODEL one TARGET y AS {settings} {some}")
        connection.execute(f"CREATE MODEL many TARGET y PARTITION BY (g) AS {settings} {some}")
        scan = best_seconds(connection, f"SELECT sum({' + '.join(columns)}) FROM numbers", options.runs)
        rates = []
        for name in ("one", "many"):
            seconds = best_seconds(connection, f"SELECT sum(predict('{name}', n.*)) FROM numbers n", options.runs)
            rates.append(options.rows / (seconds - scan))
            print(f"{name}: scan {scan * 1000:.0f} ms, with predict {seconds * 1000:.0f} ms, {rates[-1]:,.0f} rows/s", flush=True)
    share = rates[1] / rates[0]
    print(f"{share:.0%} of the rate without groups")
    sys.exit(0 if share >= 0.7 else 1)


main()
