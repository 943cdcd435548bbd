"""Does asyncpg, which speaks binary only, find a server that it knows?"""

import asyncio
import datetime
import decimal
import io
import json
import uuid

import asyncpg

import checks
from checks import Stopwatch

# What PostgreSQL does and the server does not do yet; a gap that is closed fails.
GAPS = {
}


def arguments():
    return {"host": checks.HOST, "port": int(checks.PORT), "user": "tarn", "database": checks.DATABASE}


class Connection:
    """`async with Connection() as connection`."""

    async def __aenter__(self):
        self.connection = await asyncpg.connect(**arguments())
        return self.connection

    async def __aexit__(self, *_):
        await self.connection.close()


async def test_connect():
    async with Connection() as connection:
        assert connection.get_server_version().major == 15
        assert connection.get_settings().client_encoding == "UTF8"
        assert await connection.fetchval("SELECT 1") == 1


async def test_values_travel_both_ways():
    values = {
        "smallint": -32768,
        "int": 2147483647,
        "bigint": -9223372036854775808,
        "real": 1.5,
        "double precision": 0.1,
        "numeric(20,4)": decimal.Decimal("-1234567890.1234"),
        "boolean": False,
        "text": "héllo",
        "varchar(20)": "",
        "bytea": b"\x00\xff",
        "date": datetime.date(1999, 12, 31),
        "time": datetime.time(23, 59, 59, 123456),
        "timestamp": datetime.datetime(2024, 2, 29, 12, 34, 56, 500000),
        "timestamptz": datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.timezone.utc),
        "interval": datetime.timedelta(days=3, hours=4, seconds=5.5),
        "uuid": uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        "jsonb": '{"a": 1}',
        "int[]": [1, None, 3],
        "text[]": ["a", "b,c", None],
    }
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(values))
    marks = ", ".join(f"${place + 1}" for place in range(len(values)))
    async with Connection() as connection:
        await connection.execute(f"CREATE TABLE kinds ({columns})")
        await connection.execute(f"INSERT INTO kinds VALUES ({marks})", *values.values())
        await connection.execute(f"INSERT INTO kinds VALUES ({marks})", *[None] * len(values))
        rows = await connection.fetch("SELECT * FROM kinds ORDER BY c0 NULLS LAST")
        for place, (kind, value) in enumerate(values.items()):
            assert rows[0][place] == value, (kind, rows[0][place])
            assert rows[1][place] is None, (kind, rows[1][place])


async def test_prepared_statements():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE prepared (a int, b text)")
        statement = await connection.prepare("SELECT a, b FROM prepared WHERE a > $1 AND b = $2")
        assert [kind.name for kind in statement.get_parameters()] == ["int4", "text"]
        assert [(column.name, column.type.name) for column in statement.get_attributes()] == [
            ("a", "int4"),
            ("b", "text"),
        ]
        await connection.executemany("INSERT INTO prepared VALUES ($1, $2)", [(1, "x"), (2, "x"), (3, "y")])
        for _ in range(10):
            assert [tuple(row) for row in await statement.fetch(1, "x")] == [(2, "x")]


async def test_rows_in_portions():
    async with Connection() as connection, connection.transaction():
        total = 0
        async for row in connection.cursor("SELECT * FROM generate_series(1, $1::int) AS g(n)", 1000, prefetch=100):
            total += row["n"]
        assert total == 500500, total


async def test_transactions_nest():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE nested (a int)")
        async with connection.transaction():
            await connection.execute("INSERT INTO nested VALUES (1)")
            try:
                async with connection.transaction():
                    await connection.execute("INSERT INTO nested VALUES (2)")
                    await connection.execute("SELECT 1 / 0")
            except asyncpg.DivisionByZeroError:
                pass
        assert await connection.fetchval("SELECT sum(a) FROM nested") == 1


async def test_copy_both_ways():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE copied (a int, b text)")
        source = io.BytesIO(b'a,b\n1,x\n2,"y,z"\n3,\n')
        tag = await connection.copy_to_table("copied", source=source, format="csv", header=True)
        assert tag == "COPY 3", tag
        out = io.BytesIO()
        await connection.copy_from_query("SELECT * FROM copied ORDER BY a", output=out, format="csv")
        assert out.getvalue() == b'1,x\n2,"y,z"\n3,\n', out.getvalue()


async def test_a_pool_hands_connections_on():
    async with asyncpg.create_pool(min_size=1, max_size=3, **arguments()) as pool:

        async def work(number):
            async with pool.acquire() as connection:
                await connection.execute("SET statement_timeout = 5000")
                return await connection.fetchval("SELECT $1::int", number)

        numbers = await asyncio.gather(*(work(number) for number in range(100)))
        assert numbers == list(range(100))
        assert await pool.fetchval("SHOW statement_timeout") == "0"


async def test_types_are_looked_up():
    async with Connection() as connection:
        await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        assert await connection.fetchval("SELECT $1::json", {"a": [1]}) == {"a": [1]}
        assert await connection.fetchval("SELECT ARRAY['a', 'b']::varchar[]") == ["a", "b"]


async def test_records_are_copied_in_binary():
    columns = "a int, b text, c numeric(12, 3), d timestamptz, e uuid, f double precision, g boolean, h date, i bytea, j int[]"
    now = datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.timezone.utc)
    rows = [
        (n, f"row {n}", decimal.Decimal(n) / 8, now, uuid.UUID(int=n), n / 3, n % 2 == 0, now.date(), bytes([n % 256]), [n, None])
        for n in range(2000)
    ]
    rows.append((None,) * 10)
    async with Connection() as connection:
        await connection.execute(f"CREATE TABLE records ({columns})")
        tag = await connection.copy_records_to_table("records", records=rows)
        assert tag == "COPY 2001", tag
        found = await connection.fetch("SELECT * FROM records ORDER BY a NULLS LAST")
        assert [tuple(row) for row in found] == rows
        out = io.BytesIO()
        await connection.copy_from_table("records", output=out, format="binary")
        out.seek(0)
        await connection.execute("CREATE TABLE again AS SELECT * FROM records WHERE false")
        assert await connection.copy_to_table("again", source=out, format="binary") == "COPY 2001"
        assert await connection.fetchval("SELECT count(*) FROM (SELECT * FROM records EXCEPT SELECT * FROM again) AS d") == 0


async def test_a_bad_record_stops_the_copy():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE strict (a int NOT NULL)")
        try:
            await connection.copy_records_to_table("strict", records=[(1,), (None,)])
            raise AssertionError("NULL was copied")
        except asyncpg.NotNullViolationError:
            pass
        assert await connection.fetchval("SELECT count(*) FROM strict") == 0


async def test_many_rows_by_one_statement():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE many (a int, b text)")
        await connection.executemany("INSERT INTO many VALUES ($1, $2)", [(n, f"r{n}") for n in range(500)])
        assert await connection.fetchval("SELECT sum(a) FROM many") == 499 * 250
        rows = await connection.fetch("SELECT b FROM many WHERE a = ANY($1::int[]) ORDER BY a", [3, 1, 4])
        assert [row["b"] for row in rows] == ["r1", "r3", "r4"]


async def test_cursors_move_and_portions_end():
    async with Connection() as connection, connection.transaction():
        cursor = await connection.cursor("SELECT n FROM generate_series(1, 100) AS g(n)")
        assert [row["n"] for row in await cursor.fetch(10)] == list(range(1, 11))
        assert await cursor.forward(5) == 5
        assert (await cursor.fetchrow())["n"] == 16
        assert len(await cursor.fetch(1000)) == 84
        assert await cursor.fetchrow() is None


async def test_errors_have_their_classes():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE errors (a int NOT NULL CHECK (a > 0))")
        for sql, kind in [
            ("SELECT nope", asyncpg.UndefinedColumnError),
            ("SELECT * FROM nope", asyncpg.UndefinedTableError),
            ("SELECT nope(1)", asyncpg.UndefinedFunctionError),
            ("SELEC", asyncpg.PostgresSyntaxError),
            ("INSERT INTO errors VALUES (NULL)", asyncpg.NotNullViolationError),
            ("INSERT INTO errors VALUES (-1)", asyncpg.CheckViolationError),
            ("CREATE TABLE errors (a int)", asyncpg.DuplicateTableError),
            ("SELECT 'x'::int", asyncpg.InvalidTextRepresentationError),
        ]:
            try:
                await connection.fetch(sql)
                raise AssertionError(sql)
            except kind:
                pass
        try:
            await connection.fetch("SELECT $1::int", "one")
            raise AssertionError("a text is no number")
        except asyncpg.DataError:
            pass


async def test_types_made_by_tables_are_looked_up():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE looked (a int, b text[])")
        names = await connection.fetchval("SELECT array_agg(typname ORDER BY typname) FROM pg_type WHERE typname IN ('looked', '_looked')")
        assert names == ["_looked", "looked"], names
        oids = await connection.fetchval(
            "SELECT array_agg(atttypid ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'looked'::regclass AND attnum > 0"
        )
        assert oids == [23, 1009], oids
        statement = await connection.prepare("SELECT NULL::\"char\", NULL::oid")
        assert [one.type.name for one in statement.get_attributes()] == ["char", "oid"]


async def test_a_statement_goes_on_after_its_table_changed():
    async with Connection() as connection:
        await connection.execute("CREATE TABLE changing (a int)")
        await connection.execute("INSERT INTO changing VALUES (1)")
        assert [tuple(row) for row in await connection.fetch("SELECT * FROM changing")] == [(1,)]
        await connection.execute("ALTER TABLE changing ADD COLUMN b text")
        assert [tuple(row) for row in await connection.fetch("SELECT * FROM changing")] == [(1, None)]


async def cancelled(connection, sql):
    watch = Stopwatch()
    task = asyncio.ensure_future(connection.execute(sql))
    await asyncio.sleep(0.5)
    watch.start()
    task.cancel()
    try:
        await task
        raise AssertionError("nothing was cancelled")
    except asyncio.CancelledError:
        pass
    assert await connection.fetchval("SELECT 1") == 1
    watch.stop()


async def test_cancel():
    async with Connection() as connection:
        await cancelled(connection, checks.SLOW_QUERY)
        try:
            await connection.execute(checks.SLOW_QUERY, timeout=0.3)
            raise AssertionError("the time limit did not hold")
        except asyncio.TimeoutError:
            pass
        assert await connection.fetchval("SELECT 1") == 1


if checks.IS_TARN:

    async def test_train_and_predict():
        async with Connection() as connection:
            notices = []
            connection.add_log_listener(lambda _, message: notices.append(message.message))
            await connection.execute(checks.CUSTOMERS.format(rows=600))
            assert await connection.execute(checks.CREATE_MODEL) == "CREATE MODEL"
            await asyncio.sleep(0)
            assert notices, "training says what it does"
            rows = await connection.fetch("SELECT predict('churn', c.*) AS guess, churned FROM customers c")
            right = sum(row["guess"] == row["churned"] for row in rows)
            assert right > 540, f"{right} of {len(rows)}"
            guess = await connection.fetchval("SELECT predict('churn', age => $1::int, plan => $2::text)", 30, "free")
            assert guess is True, guess

    async def test_cancel_training():
        async with Connection() as connection:
            await connection.execute("DROP TABLE IF EXISTS customers")
            await connection.execute(checks.CUSTOMERS.format(rows=50000))
            await cancelled(connection, checks.CREATE_SLOW_MODEL)
            assert await connection.fetchval("SELECT count(*) FROM ml.models WHERE model = 'slow'") == 0


checks.run_tests(globals(), call=lambda test: asyncio.run(test()))
