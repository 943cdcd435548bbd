"""The many-models story: from a CSV file to every row scored by a tuned model of its region, in Tarn and as it is practised.

    python sql-tests/benches/many_models/run.py --tarn target/release/tarn --data DIR [--regions 1000] [--evaluations 15]

`--data` is a folder with `king_county.csv`. Without `--regions` the 70 zip codes are the regions; with it the sales are drawn
again for that many regions of Zipf sizes, with 15 % of the cells empty. Tarn runs `story.sql` and `refresh.sql`; the peer is
`peer.py`: Spark, Hyperopt, XGBoost, MLflow. Reported: seconds from the file to all rows scored, the median absolute percentage
error of rows that no model has seen, seconds to refresh after 5 % of the regions changed, and the lines of code.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import pandas

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from houses import arrivals, by_zipcode, by_zipf  # noqa: E402
from tarn_process import Tarn, arguments  # noqa: E402


def statements(name, folder):
    text = (HERE / name).read_text().replace("read_csv('", f"read_csv('{folder}/")
    return [statement for statement in text.split(";\n") if statement.strip()]


def lines(name):
    kept = [line for line in (HERE / name).read_text().splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]
    return len(kept)


def tarn(binary, folder):
    with Tarn(binary, f"--files-root={folder}") as server, server.connect() as connection:
        started = time.perf_counter()
        for statement in statements("story.sql", folder):
            connection.execute(statement)
        seconds = time.perf_counter() - started
        rows = connection.execute("SELECT price::float8, estimate FROM scored WHERE held").fetchall()
        started = time.perf_counter()
        for statement in statements("refresh.sql", folder):
            connection.execute(statement)
        refresh = time.perf_counter() - started
        peak = server.memory_kib("VmHWM") / 1024
    held = pandas.DataFrame(rows, columns=["price", "estimate"])
    error = float(((held["estimate"] - held["price"]).abs() / held["price"]).median())
    return {"seconds": seconds, "error": error, "refresh": refresh, "peak_mib": peak}


def main():
    options = arguments(
        __doc__,
        ("--data", None, "folder with king_county.csv"),
        ("--regions", 0, "regions of Zipf sizes; 0 is zip codes"),
        ("--jobs", 2, "cores of the peer"),
        ("--evaluations", 15, "settings that the peer tries for each region"),
        ("--peer", "yes", "no runs Tarn alone"),
    )
    source = pathlib.Path(options.data) / "king_county.csv"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        houses = by_zipf(source, options.regions) if options.regions else by_zipcode(source)
        new, changed = arrivals(houses)
        houses.to_csv(folder / "houses.csv", index=False)
        new.to_csv(folder / "arrivals.csv", index=False)
        (folder / "changed.json").write_text(json.dumps(changed))
        print(f"{len(houses)} rows, {houses['region'].nunique()} regions, {len(changed)} of them changed later", flush=True)
        own = tarn(options.tarn, folder)
        print(
            f"Tarn: {own['seconds']:.1f} s, error {own['error']:.4f}, refresh {own['refresh']:.1f} s,"
            f" peak {own['peak_mib']:.0f} MiB, {lines('story.sql')} lines of SQL",
            flush=True,
        )
        if options.peer != "yes":
            return
        command = [sys.executable, str(HERE / "peer.py"), str(folder), str(options.jobs), str(options.evaluations)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr[-3000:])
        peer = json.loads(done.stdout.strip().splitlines()[-1])
        print(
            f"Spark, Hyperopt, XGBoost, MLflow: {peer['seconds']:.1f} s ({peer['seconds'] / own['seconds']:.1f} times), error"
            f" {peer['error']:.4f}, refresh {peer['refresh']:.1f} s, {lines('peer.py')} lines of Python"
        )


main()
