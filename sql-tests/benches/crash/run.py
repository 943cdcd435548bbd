"""What is left when the server is killed in the middle of its work?

    python sql-tests/benches/crash/run.py --tarn target/release/tarn

Each round works until `kill -9` hits at a random moment, then opens the data directory again. Nothing
that was acknowledged may be missing, and nothing may be there in part. Rounds take turns: CREATE TABLE
AS, COPY, a COMMIT over two tables and a new one, CREATE MODEL. The exit status is 1 on any offence.
"""

import pathlib
import random
import sys
import threading
import time

import psycopg

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments  # noqa: E402

TABLE_ROWS, COPY_ROWS = 20000, 5000


class CreateTableAs:
    """Tables `made_N`: whole or absent."""

    def __init__(self):
        self.tried, self.known = 0, set()

    def step(self, connection):
        self.tried += 1
        connection.execute(f"CREATE TABLE made_{self.tried} AS SELECT * FROM generate_series(1, {TABLE_ROWS}) AS s(g)")
        self.known.add(self.tried)

    def offences(self, connection):
        for number in range(1, self.tried + 1):
            try:
                rows = connection.execute(f"SELECT count(*), sum(g) FROM made_{number}").fetchone()
            except psycopg.errors.UndefinedTable:
                if number in self.known:
                    yield f"made_{number} was acknowledged and is gone"
                continue
            self.known.add(number)
            if rows != (TABLE_ROWS, TABLE_ROWS * (TABLE_ROWS + 1) // 2):
                yield f"made_{number} has {rows}"


class Copy:
    """Batches of one table: each whole or absent."""

    def __init__(self):
        self.tried, self.known = 0, set()

    def step(self, connection):
        if self.tried == 0:
            connection.execute("CREATE TABLE IF NOT EXISTS copied (batch int, n int)")
        self.tried += 1
        with connection.cursor().copy("COPY copied FROM STDIN") as copy:
            for start in range(0, COPY_ROWS, 500):
                copy.write("".join(f"{self.tried}\t{n}\n" for n in range(start, start + 500)))
        self.known.add(self.tried)

    def offences(self, connection):
        connection.execute("CREATE TABLE IF NOT EXISTS copied (batch int, n int)")
        found = dict(connection.execute("SELECT batch, count(*) FROM copied GROUP BY batch").fetchall())
        for batch in self.known - found.keys():
            yield f"batch {batch} was acknowledged and is gone"
        for batch, rows in found.items():
            self.known.add(batch)
            if rows != COPY_ROWS:
                yield f"batch {batch} has {rows} rows"


class Commit:
    """Transactions over two tables and a new one: all three or none."""

    def __init__(self):
        self.tried, self.known = 0, set()

    def step(self, connection):
        if self.tried == 0:
            self.make_tables(connection)
        self.tried += 1
        number = self.tried
        with connection.transaction():
            connection.execute(f"INSERT INTO left_side SELECT {number} FROM generate_series(1, 100)")
            connection.execute(f"CREATE TABLE joint_{number} AS SELECT {number} AS number")
            connection.execute(f"INSERT INTO right_side SELECT {number} FROM generate_series(1, 100)")
        self.known.add(number)

    @staticmethod
    def make_tables(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS left_side (number int)")
        connection.execute("CREATE TABLE IF NOT EXISTS right_side (number int)")

    def offences(self, connection):
        self.make_tables(connection)
        sides = [
            dict(connection.execute(f"SELECT number, count(*) FROM {side}_side GROUP BY number").fetchall())
            for side in ("left", "right")
        ]
        for number in range(1, self.tried + 1):
            name = f"joint_{number}"
            sql = "SELECT count(*) FROM information_schema.tables WHERE table_name = %s"
            parts = (sides[0].get(number, 0), sides[1].get(number, 0), connection.execute(sql, [name]).fetchone()[0])
            if parts == (100, 100, 1):
                self.known.add(number)
                if connection.execute(f"SELECT number FROM {name}").fetchone() != (number,):
                    yield f"{name} is empty"
            elif parts != (0, 0, 0):
                yield f"transaction {number} is there in part: {parts}"
            elif number in self.known:
                yield f"transaction {number} was acknowledged and is gone"


class CreateModel:
    """Versions of one model: an acknowledged one stays, and every one listed can predict."""

    def __init__(self):
        self.acknowledged = 0

    def step(self, connection):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS lessons AS SELECT g AS x, sin(g) AS z, g % 3 = 0 AS y FROM generate_series(1, 2000) AS s(g)"
        )
        connection.execute(
            "CREATE OR REPLACE MODEL crash TARGET y WITH (max_trials = 2, timeout = '20 s') AS AUTOML TABLE lessons"
        )
        self.acknowledged += 1

    def offences(self, connection):
        sql = "SELECT version FROM ml.versions WHERE model = 'crash' ORDER BY version"
        versions = [version for (version,) in connection.execute(sql).fetchall()]
        if len(versions) < self.acknowledged:
            yield f"{self.acknowledged} versions were acknowledged, {len(versions)} are there"
        self.acknowledged = len(versions)
        for version in versions[-3:]:
            rows = connection.execute(
                f"SELECT count(predict('crash@{version}', l.*)) FROM lessons l"
            ).fetchone()
            if rows != (2000,):
                yield f"version {version} predicts {rows}"


def work(server, workload, offences):
    try:
        with server.connect() as connection:
            while True:
                workload.step(connection)
    except psycopg.OperationalError:
        pass  # The kill.
    except psycopg.Error as error:
        offences.append(f"{type(workload).__name__} could not work: {error}")


def main():
    options = arguments(__doc__, ("--rounds", 50, "kills"), ("--seed", 0, "of the moments"), ("--seconds-max", 2.5, "work before a kill"))
    moments = random.Random(options.seed)
    workloads = [CreateTableAs(), Copy(), Commit(), CreateModel()]
    offences, slowest = [], 0.0
    with Tarn(options.tarn) as server:
        for number in range(options.rounds):
            workload = workloads[number % len(workloads)]
            thread = threading.Thread(target=work, args=(server, workload, offences))
            thread.start()
            time.sleep(moments.uniform(0.05, options.seconds_max))
            server.kill()
            thread.join()
            started = time.monotonic()
            server.start()
            slowest = max(slowest, time.monotonic() - started)
            with server.connect() as connection:
                for each in workloads:
                    if each is workload or number == options.rounds - 1:
                        found = [f"round {number}: {type(each).__name__}: {text}" for text in each.offences(connection)]
                        print("\n".join(found) or f"round {number}: {type(each).__name__} ok", flush=True)
                        offences += found
        for workload in workloads[:3]:
            print(f"{type(workload).__name__}: {len(workload.known)} of {workload.tried} tries are there")
        print(f"CreateModel: {workloads[3].acknowledged} versions are there")
        idle = [type(each).__name__ for each in workloads[:3] if not each.known]
        idle += [] if workloads[3].acknowledged else ["CreateModel"]
        offences += [f"{name} never finished anything: give it more rounds or seconds" for name in idle]
        print("\n".join(offences))
    print(f"{options.rounds} kills, {len(offences)} offences, slowest start {slowest:.2f} s")
    sys.exit(1 if offences else 0)


main()
