"""Does psycopg 3 find a server that it knows?"""

import datetime
import decimal
import threading
import time
import uuid

import psycopg
from psycopg.types import TypeInfo
from psycopg.types.json import Jsonb

import checks
from checks import Stopwatch


def connect(**arguments):
    return psycopg.connect(
        host=checks.HOST, port=checks.PORT, dbname=checks.DATABASE, user="tarn", autocommit=True, **arguments
    )


def test_connect():
    with connect(application_name="probe") as connection:
        info = connection.info
        assert info.server_version // 10000 == 15, info.server_version
        assert info.encoding == "utf-8", info.encoding
        assert info.parameter_status("application_name") == "probe"


def test_values_travel_both_ways():
    values = {
        "smallint": -32768,
        "int": 2147483647,
        "bigint": -9223372036854775808,
        "double precision": 0.1,
        "numeric(20,4)": decimal.Decimal("1234567890.1234"),
        "boolean": True,
        "text": "héllo\t'x'\\",
        "varchar(20)": "abc",
        "bytea": b"\x00\xff'\\",
        "date": datetime.date(2024, 2, 29),
        "time": datetime.time(23, 59, 59, 123456),
        "timestamp": datetime.datetime(2024, 2, 29, 12, 34, 56, 500000),
        "timestamptz": datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.timezone.utc),
        "interval": datetime.timedelta(days=3, hours=4, seconds=5.5),
        "uuid": uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        "int[]": [1, None, 3],
        "text[]": ["a", "b,c", None, ""],
    }
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(values))
    marks = ", ".join(["%s"] * len(values))
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE kinds ({columns})")
        connection.execute(f"INSERT INTO kinds VALUES ({marks})", list(values.values()))
        connection.execute(f"INSERT INTO kinds VALUES ({marks})", [None] * len(values))
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            rows = cursor.execute("SELECT * FROM kinds ORDER BY c0 NULLS LAST").fetchall()
            for place, (kind, value) in enumerate(values.items()):
                assert rows[0][place] == value, (kind, binary, rows[0][place])
                assert rows[1][place] is None, (kind, binary, rows[1][place])


def test_json():
    with connect() as connection:
        connection.execute("CREATE TABLE documents (j jsonb)")
        connection.execute("INSERT INTO documents VALUES (%s)", [Jsonb({"a": [1, None]})])
        assert connection.execute("SELECT j FROM documents").fetchone() == ({"a": [1, None]},)


def test_parameters_without_a_type():
    with connect() as connection:
        row = connection.execute("SELECT %s::text, %s::int + 1", [None, "41"]).fetchone()
        assert row == (None, 42), row
        rows = connection.execute("SELECT 1 WHERE 'a' = ANY(%s)", [["a", "b"]]).fetchall()
        assert rows == [(1,)], rows


def test_statements_are_prepared_after_five_runs():
    with connect(prepare_threshold=3) as connection:
        for number in range(10):
            row = connection.execute("SELECT %s::int * 2 AS twice", [number]).fetchone()
            assert row == (number * 2,), row
        assert connection.execute("SELECT count(*) > 0 FROM pg_prepared_statements").fetchone() == (True,)


def test_copy_both_ways():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE copied (a int, b text, c date)")
        rows = [(1, "x\ty", datetime.date(2024, 1, 1)), (2, None, None), (3, "", datetime.date(1999, 12, 31))]
        with cursor.copy("COPY copied FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        assert cursor.rowcount == 3, cursor.rowcount
        with cursor.copy("COPY (SELECT * FROM copied ORDER BY a) TO STDOUT") as copy:
            copy.set_types(["int4", "text", "date"])
            assert list(copy.rows()) == rows


def test_many_rows_in_one_pipeline():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE many (a int)")
        with connection.transaction():
            cursor.executemany("INSERT INTO many VALUES (%s)", [(number,) for number in range(50)])
        assert cursor.execute("SELECT count(*), sum(a) FROM many").fetchone() == (50, 1225)
        with connection.pipeline():
            first = connection.execute("SELECT 1")
            second = connection.execute("SELECT 2")
        assert (first.fetchone(), second.fetchone()) == ((1,), (2,))


def test_transactions_nest():
    with connect() as connection:
        connection.execute("CREATE TABLE nested (a int)")
        with connection.transaction():
            connection.execute("INSERT INTO nested VALUES (1)")
            try:
                with connection.transaction():
                    connection.execute("INSERT INTO nested VALUES (2)")
                    connection.execute("SELECT nope")
            except psycopg.errors.UndefinedColumn as error:
                assert error.diag.statement_position == "8", error.diag.statement_position
            connection.execute("INSERT INTO nested VALUES (3)")
        assert connection.execute("SELECT a FROM nested ORDER BY a").fetchall() == [(1,), (3,)]


def test_rows_in_portions():
    with connect() as connection, connection.cursor() as cursor:
        rows = cursor.stream("SELECT * FROM generate_series(1, 10000)")
        assert sum(row[0] for row in rows) == 50005000


def test_server_cursor():
    with connect() as connection, connection.transaction():
        with connection.cursor(name="portions") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT n FROM generate_series(1, 1000) AS g(n)")
            assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
            assert sum(row[0] for row in cursor) == 500500 - 6


def test_copy_in_binary():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE packed (a int, b text, c numeric, d timestamptz, e float8, f bool, g text[])")
        moment = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
        rows = [(1, "x", decimal.Decimal("1.25"), moment, 0.5, True, ["a", None]), (None,) * 7]
        kinds = ["int4", "text", "numeric", "timestamptz", "float8", "bool", "text[]"]
        with cursor.copy("COPY packed FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(kinds)
            for row in rows:
                copy.write_row(row)
        with cursor.copy("COPY (SELECT * FROM packed ORDER BY a) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(kinds)
            assert list(copy.rows()) == rows


def test_copy_that_fails_leaves_nothing():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE refused (a int)")
        try:
            with cursor.copy("COPY refused FROM STDIN") as copy:
                copy.write_row(["1"])
                copy.write_row(["one"])
            raise AssertionError("a word is no number")
        except psycopg.errors.InvalidTextRepresentation as error:
            assert error.diag.context == 'COPY refused, line 2, column a: "one"', error.diag.context
        try:
            with cursor.copy("COPY refused FROM STDIN") as copy:
                copy.write_row(["1"])
                raise KeyError("the program gives up")
        except KeyError:
            pass
        assert connection.execute("SELECT count(*) FROM refused").fetchone() == (0,)


def test_an_error_ends_a_pipeline_up_to_its_sync():
    with connect() as connection:
        connection.execute("CREATE TABLE piped (a int)")
        try:
            with connection.pipeline() as pipeline:
                connection.execute("INSERT INTO piped VALUES (1)")
                pipeline.sync()
                connection.execute("INSERT INTO piped VALUES ('x')")
                connection.execute("INSERT INTO piped VALUES (3)")
                pipeline.sync()
                connection.execute("INSERT INTO piped VALUES (4)")
        except psycopg.errors.InvalidTextRepresentation:
            pass
        assert connection.execute("SELECT a FROM piped ORDER BY a").fetchall()[0] == (1,)
        assert (3,) not in connection.execute("SELECT a FROM piped").fetchall()


def test_rows_come_back_in_binary():
    with connect() as connection, connection.cursor(binary=True) as cursor:
        sql = "SELECT 1::int2, 2::int8, 1.5::numeric(4,2), 'x'::varchar, '2024-02-29'::date, 0.1::float4, ARRAY[1,2]::int[]"
        row = cursor.execute(sql).fetchone()
        assert row[:5] == (1, 2, decimal.Decimal("1.50"), "x", datetime.date(2024, 2, 29)), row
        assert row[6] == [1, 2]
        kinds = [column.type_code for column in cursor.description]
        assert kinds == [21, 20, 1700, 1043, 1082, 700, 1007], kinds
        assert cursor.description[2].precision == 4 and cursor.description[2].scale == 2


def test_one_statement_with_other_types():
    with connect(prepare_threshold=1) as connection:
        for value, kind in [(1, 21), ("x", 25), (2**40, 20), (1.5, 701), (decimal.Decimal("1.5"), 1700)]:
            for _ in range(3):
                cursor = connection.execute("SELECT %s AS a", (value,))
                assert (cursor.fetchone()[0], cursor.description[0].type_code) == (value, kind)


def test_a_cursor_that_outlives_its_transaction():
    with connect() as connection:
        cursor = connection.cursor(name="held", withhold=True)
        with connection.transaction():
            cursor.execute("SELECT n FROM generate_series(1, 10) AS g(n)")
            assert cursor.fetchone() == (1,)
        assert cursor.fetchmany(2) == [(2,), (3,)]
        cursor.close()


def test_notices_and_details():
    with connect() as connection:
        notices = []
        connection.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary))
        connection.execute("DROP TABLE IF EXISTS never_made")
        assert notices == ['table "never_made" does not exist, skipping'], notices
        try:
            connection.execute("SELECT lenght('x')")
        except psycopg.errors.UndefinedFunction as error:
            assert error.diag.message_primary == "function lenght(unknown) does not exist"
            assert error.diag.statement_position == "8"


def test_catalog():
    with connect() as connection:
        connection.execute("CREATE TABLE reflected (a int NOT NULL, b varchar(20), c numeric(10,2))")
        rows = connection.execute(
            "SELECT column_name, data_type, is_nullable, character_maximum_length, numeric_precision, numeric_scale"
            " FROM information_schema.columns WHERE table_name = 'reflected' ORDER BY ordinal_position"
        ).fetchall()
        assert rows == [
            ("a", "integer", "NO", None, 32, 0),
            ("b", "character varying", "YES", 20, None, None),
            ("c", "numeric", "YES", None, 10, 2),
        ], rows
        info = TypeInfo.fetch(connection, "numeric")
        assert (info.name, info.oid, info.array_oid) == ("numeric", 1700, 1231), info


def cancelled(connection, sql):
    watch = Stopwatch()

    def cancel():
        time.sleep(0.5)
        watch.start()
        connection.cancel_safe(timeout=5)

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        connection.execute(sql)
        raise AssertionError("nothing was cancelled")
    except psycopg.errors.QueryCanceled:
        watch.stop()
    thread.join()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_cancel():
    with connect() as connection:
        cancelled(connection, checks.SLOW_QUERY)


if checks.IS_TARN:

    def test_train_and_predict():
        with connect() as connection:
            notices = []
            connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
            connection.execute(checks.CUSTOMERS.format(rows=600))
            cursor = connection.execute(checks.CREATE_MODEL)
            assert cursor.statusmessage == "CREATE MODEL", cursor.statusmessage
            assert notices, "training says what it does"
            rows = connection.execute(
                "SELECT predict('churn', c.*), predict_proba('churn', c.*), churned FROM customers c"
            ).fetchall()
            assert len(rows) == 600
            right = sum(guess == truth for guess, _, truth in rows)
            assert right > 540, f"{right} of 600"
            assert all(0 <= chance <= 1 for _, chance, _ in rows)
            row = connection.execute("SELECT predict('churn', age => %s::int, plan => %s::text)", [30, "free"]).fetchone()
            assert row == (True,), row

    def test_cancel_training():
        with connect() as connection:
            connection.execute("DROP TABLE IF EXISTS customers")
            connection.execute(checks.CUSTOMERS.format(rows=50000))
            cancelled(connection, checks.CREATE_SLOW_MODEL)
            assert connection.execute("SELECT count(*) FROM ml.models WHERE model = 'slow'").fetchone() == (0,)


checks.run_tests(globals())
