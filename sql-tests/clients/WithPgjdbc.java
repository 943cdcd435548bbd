// Does Debian's JDBC driver find a server that it knows? Arguments: HOST PORT DATABASE tarn|postgresql.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.postgresql.PGConnection;

public final class WithPgjdbc {
    private static final String SLOW =
        "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    private static String url;

    private interface Test {
        void run(Connection connection) throws Exception;
    }

    private static int failed = 0;

    public static void main(String[] arguments) throws Exception {
        url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2] + "?user=tarn";
        test("tables and columns", WithPgjdbc::tablesAndColumns);
        test("keys", WithPgjdbc::keys);
        test("all metadata", WithPgjdbc::allMetadata);
        test("values", WithPgjdbc::values);
        test("prepared ten times", WithPgjdbc::preparedTenTimes);
        test("nulls of each type", WithPgjdbc::nulls);
        test("batch", WithPgjdbc::batch);
        test("batches as one statement", WithPgjdbc::rewrittenBatch);
        test("rows in portions", WithPgjdbc::portions);
        test("portions of a prepared statement", WithPgjdbc::preparedPortions);
        test("a parameter of several types", WithPgjdbc::changingTypes);
        test("moments in zones", WithPgjdbc::moments);
        test("large numbers", WithPgjdbc::largeNumbers);
        test("generated keys", WithPgjdbc::generatedKeys);
        test("a row that is edited", WithPgjdbc::editedRow);
        test("a failed batch", WithPgjdbc::failedBatch);
        test("copy in binary", WithPgjdbc::binaryCopy);
        test("transactions", WithPgjdbc::transactions);
        test("copy", WithPgjdbc::copy);
        test("several results", WithPgjdbc::severalResults);
        test("cancel", WithPgjdbc::cancel);
        test("time limit", WithPgjdbc::timeLimit);
        if (arguments[3].equals("tarn")) {
            test("train and predict", WithPgjdbc::trainAndPredict);
            test("cancel training", WithPgjdbc::cancelTraining);
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void test(String name, Test test) {
        for (String options : new String[] {"", "&binaryTransfer=false&prepareThreshold=0", "&prepareThreshold=-1"}) {
            try (Connection connection = DriverManager.getConnection(url + options)) {
                execute(connection, "DROP SCHEMA IF EXISTS jdbc CASCADE", "CREATE SCHEMA jdbc", "SET search_path TO jdbc");
                test.run(connection);
                System.out.println(name + " " + options + " ... ok");
            } catch (Exception | AssertionError error) {
                failed++;
                System.out.println(name + " " + options + " ... FAILED");
                error.printStackTrace(System.out);
            }
        }
    }

    private static void check(Object seen, Object expected) {
        if (!Objects.equals(seen, expected)) {
            throw new AssertionError("saw <" + seen + ">, expected <" + expected + ">");
        }
    }

    private static void execute(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    private static List<String> rows(ResultSet result, String... columns) throws SQLException {
        List<String> rows = new ArrayList<>();
        while (result.next()) {
            List<String> row = new ArrayList<>();
            for (String column : columns) {
                row.add(result.getString(column));
            }
            rows.add(String.join(" ", row));
        }
        result.close();
        return rows;
    }

    private static List<String> rows(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            ResultSet result = statement.executeQuery(sql);
            int width = result.getMetaData().getColumnCount();
            List<String> rows = new ArrayList<>();
            while (result.next()) {
                List<String> row = new ArrayList<>();
                for (int column = 1; column <= width; column++) {
                    row.add(String.valueOf(result.getString(column)));
                }
                rows.add(String.join(" ", row));
            }
            return rows;
        }
    }

    private static void tablesAndColumns(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE jdbc.t (a int NOT NULL, b varchar(20), c numeric(10,2), d timestamptz, e int[])",
            "CREATE VIEW jdbc.v AS SELECT a FROM jdbc.t", "COMMENT ON TABLE jdbc.t IS 'rows'");
        DatabaseMetaData metadata = connection.getMetaData();
        check(metadata.getDatabaseMajorVersion(), 15);
        check(rows(metadata.getTables(null, "jdbc", "%", new String[] {"TABLE", "VIEW"}),
            "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"), Arrays.asList("jdbc t TABLE rows", "jdbc v VIEW null"));
        check(rows(metadata.getColumns(null, "jdbc", "t", "%"),
            "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "IS_NULLABLE", "ORDINAL_POSITION"),
            Arrays.asList("a 4 int4 10 0 NO 1", "b 12 varchar 20 0 YES 2", "c 2 numeric 10 2 YES 3",
                "d 93 timestamptz 35 6 YES 4", "e 2003 _int4 10 0 YES 5"));
        List<String> schemas = rows(metadata.getSchemas(), "TABLE_SCHEM");
        for (String schema : new String[] {"information_schema", "jdbc", "pg_catalog", "public"}) {
            check(schemas.contains(schema), true);
        }
        try (Statement statement = connection.createStatement()) {
            ResultSetMetaData columns = statement.executeQuery("SELECT * FROM jdbc.t").getMetaData();
            check(columns.getColumnTypeName(2) + columns.getPrecision(2), "varchar20");
            check(columns.getPrecision(3) + "," + columns.getScale(3), "10,2");
            check(columns.getTableName(1), "t");
            check(columns.isNullable(1), ResultSetMetaData.columnNoNulls);
        }
    }

    private static void keys(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b))",
            "CREATE TABLE c (x int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES p (a, b))");
        DatabaseMetaData metadata = connection.getMetaData();
        check(rows(metadata.getPrimaryKeys(null, "jdbc", "p"), "COLUMN_NAME", "KEY_SEQ"), Arrays.asList("a 1", "b 2"));
        check(rows(metadata.getImportedKeys(null, "jdbc", "c"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKCOLUMN_NAME"),
            Arrays.asList("p a a", "p b b"));
    }

    private static void allMetadata(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int PRIMARY KEY)");
        DatabaseMetaData metadata = connection.getMetaData();
        ResultSet[] results = {
            metadata.getCatalogs(), metadata.getTableTypes(), metadata.getTypeInfo(), metadata.getClientInfoProperties(),
            metadata.getSchemas(null, "%"), metadata.getIndexInfo(null, "jdbc", "t", false, true),
            metadata.getExportedKeys(null, "jdbc", "t"), metadata.getCrossReference(null, "jdbc", "t", null, "jdbc", "t"),
            metadata.getBestRowIdentifier(null, "jdbc", "t", DatabaseMetaData.bestRowSession, true),
            metadata.getVersionColumns(null, "jdbc", "t"), metadata.getProcedures(null, null, "%"),
            metadata.getProcedureColumns(null, null, "%", "%"), metadata.getFunctions(null, null, "abs"),
            metadata.getFunctionColumns(null, null, "abs", "%"), metadata.getTablePrivileges(null, "jdbc", "t"),
            metadata.getColumnPrivileges(null, "jdbc", "t", "%"), metadata.getUDTs(null, null, "%", null),
        };
        for (ResultSet result : results) {
            while (result.next()) {
                result.getObject(1);
            }
            result.close();
        }
        check(metadata.getUserName(), "tarn");
        check(metadata.getMaxColumnNameLength(), 63);
        check(metadata.getDefaultTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED);
        metadata.getSQLKeywords();
        check(connection.getSchema(), "jdbc");
        check(connection.isValid(5), true);
    }

    private static void values(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int, b bigint, c double precision, d numeric(20,4), e text, f boolean, g date, "
            + "h timestamp, i uuid, j bytea, k int[])");
        UUID id = UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")) {
            insert.setInt(1, Integer.MIN_VALUE);
            insert.setLong(2, Long.MAX_VALUE);
            insert.setDouble(3, 0.1);
            insert.setBigDecimal(4, new BigDecimal("-1234567890.1234"));
            insert.setString(5, "héllo");
            insert.setBoolean(6, true);
            insert.setObject(7, LocalDate.of(2024, 2, 29));
            insert.setTimestamp(8, Timestamp.valueOf("2024-02-29 12:34:56.5"));
            insert.setObject(9, id);
            insert.setBytes(10, new byte[] {0, -1});
            insert.setArray(11, connection.createArrayOf("int4", new Integer[] {1, null, 3}));
            check(insert.executeUpdate(), 1);
        }
        try (PreparedStatement select = connection.prepareStatement("SELECT * FROM t WHERE a = ?")) {
            for (int run = 0; run < 7; run++) {
                select.setInt(1, Integer.MIN_VALUE);
                ResultSet row = select.executeQuery();
                check(row.next(), true);
                check(row.getInt(1), Integer.MIN_VALUE);
                check(row.getLong(2), Long.MAX_VALUE);
                check(row.getDouble(3), 0.1);
                check(row.getBigDecimal(4), new BigDecimal("-1234567890.1234"));
                check(row.getString(5), "héllo");
                check(row.getBoolean(6), true);
                check(row.getObject(7, LocalDate.class), LocalDate.of(2024, 2, 29));
                check(row.getTimestamp(8), Timestamp.valueOf("2024-02-29 12:34:56.5"));
                check(row.getObject(9), id);
                check(Arrays.toString(row.getBytes(10)), "[0, -1]");
                check(Arrays.toString((Object[]) row.getArray(11).getArray()), "[1, null, 3]");
            }
        }
    }

    private static void preparedTenTimes(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int * 2, ?::text")) {
            for (int number = 0; number < 10; number++) {
                statement.setInt(1, number);
                statement.setString(2, "x" + number);
                ResultSet row = statement.executeQuery();
                check(row.next() && row.getInt(1) == 2 * number && row.getString(2).equals("x" + number), true);
            }
        }
    }

    private static void nulls(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int, b text, c date, d numeric, e boolean, f timestamp, g double precision)");
        int[] types = {Types.INTEGER, Types.VARCHAR, Types.DATE, Types.NUMERIC, Types.BOOLEAN, Types.TIMESTAMP, Types.DOUBLE};
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)")) {
            for (int place = 0; place < types.length; place++) {
                insert.setNull(place + 1, types[place]);
            }
            check(insert.executeUpdate(), 1);
        }
        check(rows(connection, "SELECT * FROM t"), Arrays.asList("null null null null null null null"));
    }

    private static void batch(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int)");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?)")) {
            for (int number = 0; number < 20; number++) {
                insert.setInt(1, number);
                insert.addBatch();
            }
            check(insert.executeBatch().length, 20);
        }
        check(rows(connection, "SELECT count(*), sum(a) FROM t"), Arrays.asList("20 190"));
        try (Statement statement = connection.createStatement()) {
            check(statement.executeUpdate("UPDATE t SET a = 0 WHERE a < 5"), 5);
            check(statement.executeUpdate("DELETE FROM t WHERE a = 0"), 5);
        }
    }

    private static void rewrittenBatch(Connection plain) throws SQLException {
        execute(plain, "CREATE TABLE t (a int, b text, c numeric(10,2))");
        try (Connection connection = DriverManager.getConnection(url + "&reWriteBatchedInserts=true")) {
            execute(connection, "SET search_path TO jdbc");
            connection.setAutoCommit(false);
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t (a, b, c) VALUES (?, ?, ?)")) {
                for (int number = 0; number < 1000; number++) {
                    insert.setInt(1, number);
                    insert.setString(2, number % 10 == 0 ? null : "row " + number);
                    insert.setBigDecimal(3, BigDecimal.valueOf(number, 2));
                    insert.addBatch();
                }
                check(insert.executeBatch().length, 1000);
            }
            connection.commit();
        }
        check(rows(plain, "SELECT count(*), count(b), sum(a), sum(c) FROM t"), Arrays.asList("1000 900 499500 4995.00"));
    }

    private static void preparedPortions(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t AS SELECT n, 'row ' || n AS word FROM generate_series(1, 1000) AS g(n)");
        connection.setAutoCommit(false);
        try (PreparedStatement select = connection.prepareStatement("SELECT n, word FROM t WHERE n > ? ORDER BY n")) {
            select.setFetchSize(100);
            for (int run = 0; run < 7; run++) {
                select.setInt(1, 10);
                ResultSet first = select.executeQuery();
                int seen = 0;
                while (first.next() && seen < 250) {
                    seen++;
                    check(first.getInt(1), 10 + seen);
                }
                // Another statement between two portions.
                check(rows(connection, "SELECT count(*) FROM t"), Arrays.asList("1000"));
                while (first.next()) {
                    seen++;
                }
                check(seen, 989);
            }
        }
        connection.commit();
    }

    private static void changingTypes(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a bigint, b text)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')");
        try (PreparedStatement select = connection.prepareStatement("SELECT b FROM t WHERE a = ?")) {
            Object[] values = {1, 1L, (short) 1, new BigDecimal("1"), 1, 1.0, 1L};
            for (int run = 0; run < 3; run++) {
                for (Object value : values) {
                    select.setObject(1, value);
                    ResultSet row = select.executeQuery();
                    check(row.next() && row.getString(1).equals("one"), true);
                }
                select.setNull(1, Types.BIGINT);
                check(select.executeQuery().next(), false);
            }
        }
    }

    private static void moments(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a timestamptz, b timestamp, c date, d time)");
        java.time.OffsetDateTime moment = java.time.OffsetDateTime.parse("2024-02-29T12:34:56.123456+05:30");
        java.time.LocalDateTime local = java.time.LocalDateTime.parse("1999-12-31T23:59:59.999999");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?, ?, ?, ?)")) {
            insert.setObject(1, moment);
            insert.setObject(2, local);
            insert.setDate(3, java.sql.Date.valueOf("0001-01-01"));
            insert.setObject(4, java.time.LocalTime.parse("00:00:00.5"));
            insert.executeUpdate();
        }
        execute(connection, "SET TimeZone = 'Asia/Kolkata'");
        try (PreparedStatement select = connection.prepareStatement("SELECT * FROM t WHERE a = ? AND b = ?")) {
            for (int run = 0; run < 7; run++) {
                select.setObject(1, moment);
                select.setObject(2, local);
                ResultSet row = select.executeQuery();
                check(row.next(), true);
                check(row.getObject(1, java.time.OffsetDateTime.class).toInstant(), moment.toInstant());
                check(row.getObject(2, java.time.LocalDateTime.class), local);
                check(row.getObject(3, LocalDate.class), LocalDate.of(1, 1, 1));
                check(row.getObject(4, java.time.LocalTime.class), java.time.LocalTime.parse("00:00:00.5"));
            }
        }
    }

    private static void largeNumbers(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a numeric(38,10), b numeric(38,0))");
        BigDecimal large = new BigDecimal("9999999999999999999999999999.9999999999");
        BigDecimal whole = new BigDecimal("-99999999999999999999999999999999999999");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?, ?)")) {
            insert.setBigDecimal(1, large);
            insert.setBigDecimal(2, whole);
            insert.executeUpdate();
            insert.setBigDecimal(1, new BigDecimal("0E-10"));
            insert.setObject(2, null);
            insert.executeUpdate();
        }
        try (PreparedStatement select = connection.prepareStatement("SELECT a, b FROM t WHERE a >= ? ORDER BY a DESC")) {
            for (int run = 0; run < 7; run++) {
                select.setBigDecimal(1, BigDecimal.ZERO);
                ResultSet row = select.executeQuery();
                check(row.next() && row.getBigDecimal(1).equals(large) && row.getBigDecimal(2).equals(whole), true);
                check(row.next() && row.getBigDecimal(1).signum() == 0 && row.getBigDecimal(2) == null, true);
            }
        }
    }

    private static void generatedKeys(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (id serial, name text)");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t (name) VALUES (?)", new String[] {"id"})) {
            for (int run = 1; run <= 7; run++) {
                insert.setString(1, "name " + run);
                check(insert.executeUpdate(), 1);
                ResultSet keys = insert.getGeneratedKeys();
                check(keys.next() && keys.getInt(1) == run, true);
            }
        }
        try (Statement insert = connection.createStatement()) {
            insert.executeUpdate("INSERT INTO t (name) VALUES ('x'), ('y')", Statement.RETURN_GENERATED_KEYS);
            ResultSet keys = insert.getGeneratedKeys();
            check(keys.next() && keys.getInt("id") == 8 && keys.getString("name").equals("x"), true);
            check(keys.next() && keys.getInt("id") == 9, true);
        }
    }

    private static void editedRow(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (id int PRIMARY KEY, name text)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')");
        try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            ResultSet row = statement.executeQuery("SELECT id, name FROM t ORDER BY id");
            check(row.absolute(2) && row.getString(2).equals("two"), true);
            row.updateString(2, "zwei");
            row.updateRow();
            check(row.previous() && row.getInt(1) == 1, true);
            row.deleteRow();
            row.moveToInsertRow();
            row.updateInt(1, 3);
            row.updateString(2, "drei");
            row.insertRow();
        }
        check(rows(connection, "SELECT * FROM t ORDER BY id"), Arrays.asList("2 zwei", "3 drei"));
    }

    private static void failedBatch(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int NOT NULL)");
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?)")) {
            for (Integer value : new Integer[] {1, null, 3}) {
                insert.setObject(1, value, Types.INTEGER);
                insert.addBatch();
            }
            insert.executeBatch();
            throw new AssertionError("no error");
        } catch (java.sql.BatchUpdateException error) {
            check(error.getSQLState(), "23502");
        }
        connection.rollback();
        check(rows(connection, "SELECT count(*) FROM t"), Arrays.asList("0"));
        connection.commit();
    }

    private static void binaryCopy(Connection connection) throws Exception {
        execute(connection, "CREATE TABLE t AS SELECT n, n / 2.0 AS half, 'row ' || n AS word FROM generate_series(1, 500) AS g(n)",
            "CREATE TABLE u AS SELECT * FROM t WHERE false");
        PGConnection postgres = connection.unwrap(PGConnection.class);
        java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
        check(postgres.getCopyAPI().copyOut("COPY t TO STDOUT (FORMAT binary)", out), 500L);
        byte[] bytes = out.toByteArray();
        check(postgres.getCopyAPI().copyIn("COPY u FROM STDIN (FORMAT binary)", new java.io.ByteArrayInputStream(bytes)), 500L);
        check(rows(connection, "SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM u) AS d"), Arrays.asList("0"));
        try {
            postgres.getCopyAPI().copyIn("COPY u FROM STDIN (FORMAT binary)", new java.io.ByteArrayInputStream(bytes, 0, 100));
            throw new AssertionError("no error");
        } catch (SQLException error) {
            check(error.getSQLState(), "22P04");
        }
        check(rows(connection, "SELECT count(*) FROM u"), Arrays.asList("500"));
    }

    private static void portions(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(2);
            ResultSet result = statement.executeQuery("SELECT n FROM generate_series(1, 7) AS g(n) ORDER BY n");
            int sum = 0;
            while (result.next()) {
                sum += result.getInt(1);
            }
            check(sum, 28);
        }
        connection.commit();
    }

    private static void transactions(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int)");
        connection.setAutoCommit(false);
        execute(connection, "INSERT INTO t VALUES (1)");
        Savepoint savepoint = connection.setSavepoint();
        try {
            execute(connection, "SELECT nope");
            throw new AssertionError("no error");
        } catch (SQLException error) {
            check(error.getSQLState(), "42703");
        }
        connection.rollback(savepoint);
        execute(connection, "INSERT INTO t VALUES (2)");
        connection.commit();
        execute(connection, "INSERT INTO t VALUES (3)");
        connection.rollback();
        check(rows(connection, "SELECT sum(a) FROM t"), Arrays.asList("3"));
        connection.commit();
        connection.setReadOnly(true);
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        check(rows(connection, "SELECT 1"), Arrays.asList("1"));
        connection.commit();
    }

    private static void copy(Connection connection) throws Exception {
        execute(connection, "CREATE TABLE t (a int, b text)");
        PGConnection postgres = connection.unwrap(PGConnection.class);
        long count = postgres.getCopyAPI().copyIn("COPY t FROM STDIN WITH (FORMAT csv)", new StringReader("1,x\n2,\"y,z\"\n"));
        check(count, 2L);
        StringWriter out = new StringWriter();
        postgres.getCopyAPI().copyOut("COPY (SELECT * FROM t ORDER BY a) TO STDOUT WITH (FORMAT csv)", out);
        check(out.toString(), "1,x\n2,\"y,z\"\n");
    }

    private static void severalResults(Connection connection) throws SQLException {
        execute(connection, "CREATE TABLE t (a int)");
        try (Statement statement = connection.createStatement()) {
            check(statement.execute("INSERT INTO t VALUES (1), (2); SELECT sum(a) FROM t"), false);
            check(statement.getUpdateCount(), 2);
            check(statement.getMoreResults(), true);
            ResultSet result = statement.getResultSet();
            check(result.next() && result.getInt(1) == 3, true);
        }
        try (Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS nope");
            SQLWarning warning = statement.getWarnings();
            check(warning != null && warning.getMessage().contains("nope"), true);
        }
    }

    private static void cancelled(Connection connection, String sql) throws Exception {
        try (Statement statement = connection.createStatement()) {
            long[] asked = {0};
            Thread thread = new Thread(() -> {
                try {
                    Thread.sleep(500);
                    asked[0] = System.nanoTime();
                    statement.cancel();
                } catch (Exception error) {
                    error.printStackTrace(System.out);
                }
            });
            thread.start();
            try {
                statement.execute(sql);
                throw new AssertionError("nothing was cancelled");
            } catch (SQLException error) {
                check(error.getSQLState(), "57014");
            }
            double took = (System.nanoTime() - asked[0]) / 1e9;
            thread.join();
            check(took < 1.0 ? "in time" : "after " + took + " s", "in time");
        }
        check(rows(connection, "SELECT 1"), Arrays.asList("1"));
    }

    private static void cancel(Connection connection) throws Exception {
        cancelled(connection, SLOW);
    }

    private static void timeLimit(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            long started = System.nanoTime();
            try {
                statement.execute(SLOW);
                throw new AssertionError("the limit did not hold");
            } catch (SQLException error) {
                check(error.getSQLState(), "57014");
            }
            check((System.nanoTime() - started) / 1e9 < 2.0, true);
        }
    }

    private static String customers(int rows) {
        return "CREATE TABLE customers AS SELECT CAST(20 + g * 7 % 50 AS int) AS age, "
            + "CASE g % 3 WHEN 0 THEN 'free' WHEN 1 THEN 'pro' ELSE 'team' END AS plan, "
            + "g % 3 = 0 OR g * 7 % 50 > 40 AS churned FROM generate_series(1, " + rows + ") AS s(g)";
    }

    private static void trainAndPredict(Connection connection) throws SQLException {
        execute(connection, customers(600));
        try (Statement statement = connection.createStatement()) {
            check(statement.execute("CREATE MODEL churn TARGET churned WITH (max_trials = 2, timeout = '30 s') "
                + "AS AUTOML SELECT * FROM customers"), false);
            check(statement.getWarnings() != null, true);
        }
        List<String> right = rows(connection, "SELECT count(*) > 540 FROM customers c WHERE predict('churn', c.*) = churned");
        check(right, Arrays.asList("t"));
        try (PreparedStatement statement = connection.prepareStatement("SELECT predict('churn', age => ?, plan => ?)")) {
            for (int run = 0; run < 7; run++) {
                statement.setInt(1, 30);
                statement.setString(2, "free");
                ResultSet row = statement.executeQuery();
                check(row.next() && row.getBoolean(1), true);
            }
        }
    }

    private static void cancelTraining(Connection connection) throws Exception {
        execute(connection, customers(50000));
        cancelled(connection, "CREATE MODEL slow TARGET churned WITH (timeout = '60 s') AS AUTOML "
            + "SELECT age, plan, age * 1.5 + random() AS noise, churned FROM customers");
        check(rows(connection, "SELECT count(*) FROM ml.models WHERE model = 'slow'"), Arrays.asList("0"));
    }
}
