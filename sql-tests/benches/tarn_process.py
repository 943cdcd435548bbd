"""What the workloads share: a server of their own, and a connection to it.

The binary is `--tarn PATH`; build it with `cargo build --release -p tarn-engine` (figures to publish:
`--profile dist`). The Python needs psycopg: `./test` makes one under ~/.cache/tarn-test-venv.
"""

import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]


def arguments(description, *extra):
    """The command line: `--tarn PATH` and what the workload adds as (name, default, help)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tarn", default=ROOT / "target/release/tarn", help="the server's binary")
    for name, default, text in extra:
        kind = type(default) if default is not None else str
        parser.add_argument(name, default=default, type=kind, required=default is None, help=f"{text} ({default})")
    return parser.parse_args()


class Tarn:
    """A server on an empty data directory that goes away with the `with` block."""

    def __init__(self, binary, *options):
        self.binary = str(binary)
        self.options = list(options)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-"))
        self.start()

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data-dir", str(self.folder / "data"), "--socket", str(self.folder),
             "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", *self.options],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        for line in self.process.stdout:
            found = re.search(r"listening on postgres=127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                return
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def connect(self, **more):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="tarn", dbname="tarn", autocommit=True, **more
        )

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def memory_kib(self, field="VmRSS"):
        """`VmRSS` is the memory now, `VmHWM` the most there ever was."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def best_seconds(connection, sql, runs):
    """The shortest time of a query, answer read, of so many runs."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        connection.execute(sql).fetchall()
        times.append(time.perf_counter() - started)
    return min(times)


def percentile(values, share):
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
