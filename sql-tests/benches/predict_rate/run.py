"""How many rows does predict score in a second on one core?

    taskset -c 0 python sql-tests/benches/predict_rate/run.py --tarn target/release/tarn

100 trees of depth 6 over 12 numeric features. The server inherits the core of this process. The time of
reading the same rows without predict is taken off. Bound: 1,000,000 rows a second.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments, best_seconds  # noqa: E402


def main():
    options = arguments(__doc__, ("--rows", 1000000, "rows to score"), ("--runs", 5, "of which the best counts"))
    with Tarn(options.tarn) as server, server.connect() as connection:
        columns = [f"x{place}" for place in range(1, 13)]
        made = ", ".join(f"sin(g * {place}.7) * {place} AS {name}" for place, name in enumerate(columns, 1))
        target = " + ".join(f"sin({name} * {place})" for place, name in enumerate(columns, 1))
        connection.execute(
            f"CREATE TABLE numbers AS SELECT *, {target} AS y FROM"
            f" (SELECT {made} FROM generate_series(1, {options.rows}) AS s(g)) q"
        )
        connection.execute(
            "CREATE MODEL rate TARGET y AS trees (rounds = 100, max_depth = 6, growth = 'depth', early_stopping = 0)"
            " SELECT * FROM numbers LIMIT 100000"
        )
        scan = best_seconds(connection, f"SELECT sum({' + '.join(columns)}) FROM numbers", options.runs)
        scored = best_seconds(connection, "SELECT sum(predict('rate', n.*)) FROM numbers n", options.runs)
    print(f"scan {scan * 1000:.0f} ms, scan and predict {scored * 1000:.0f} ms")
    if scored - scan < 0.1:
        sys.exit("predict took less than 100 ms: score more --rows")
    rate = options.rows / (scored - scan)
    print(f"{rate:,.0f} rows/s")
    sys.exit(0 if rate >= 1_000_000 else 1)


main()
