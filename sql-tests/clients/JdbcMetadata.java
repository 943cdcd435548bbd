// What do BI tools read through JDBC about a database? Prints the answers of DatabaseMetaData as text, which must be
// the same as PostgreSQL's (jdbc_metadata.txt). Arguments: HOST PORT DATABASE tarn|postgresql.

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;

public final class JdbcMetadata {
    private static final String[] MADE = {
        "CREATE SCHEMA bi",
        "CREATE TABLE bi.customers (id int PRIMARY KEY, name varchar(40) NOT NULL, code char(3), born date, note text)",
        "CREATE TABLE bi.orders (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES bi.customers (id), "
            + "price numeric(10,2) DEFAULT 1.5, ordered_at timestamp, paid_at timestamptz, shipped boolean, "
            + "weight double precision, rate real, pieces smallint, tags text[], sizes int[], document jsonb, raw bytea, "
            + "key uuid, at time, took interval, UNIQUE (key))",
        "CREATE TABLE bi.\"Mixed Case\" (\"A b\" int, \"select\" text)",
        "CREATE VIEW bi.totals AS SELECT customer, sum(price)::numeric(20,2) AS total, count(*) AS orders FROM bi.orders GROUP BY customer",
        "COMMENT ON TABLE bi.orders IS 'what was sold'",
        "COMMENT ON COLUMN bi.orders.price IS 'in euro'",
    };
    // What depends on the server's own numbers.
    private static final Set<String> MASKED = Set.of("TABLE_CAT", "TABLE_CATALOG", "FUNCTION_CAT", "PKTABLE_CAT", "FKTABLE_CAT", "function_cat");
    // What is not kept: statistics of indexes, since keys are informational, and what PostgreSQL says of its functions.
    private static final Set<String> UNKNOWN = Set.of("CARDINALITY", "PAGES", "remarks");

    private interface Call {
        ResultSet on(DatabaseMetaData data) throws SQLException;
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2] + "?user=tarn";
        try (Connection connection = DriverManager.getConnection(url)) {
            try (Statement statement = connection.createStatement()) {
                for (String sql : MADE) {
                    statement.execute(sql);
                }
            }
            DatabaseMetaData data = connection.getMetaData();
            print("catalogs", "TABLE_CAT", data, DatabaseMetaData::getCatalogs);
            print("schemas", "TABLE_SCHEM", data, d -> d.getSchemas(null, "bi"));
            print("table types", "TABLE_TYPE", data, DatabaseMetaData::getTableTypes);
            print("tables", "*", data, d -> d.getTables(null, "bi", "%", null));
            print("tables of a kind", "*", data, d -> d.getTables(null, "bi", "%", new String[] {"TABLE", "VIEW"}));
            print("tables by pattern", "*", data, d -> d.getTables(null, "b_", "ord%", new String[] {"TABLE"}));
            print("system tables", "TABLE_NAME", data, d -> d.getTables(null, "pg_catalog", "pg_cl%", new String[] {"SYSTEM TABLE"}));
            print("columns", "*", data, d -> d.getColumns(null, "bi", "%", "%"));
            print("columns by pattern", "COLUMN_NAME", data, d -> d.getColumns(null, "bi", "orders", "p%"));
            print("primary keys", "*", data, d -> d.getPrimaryKeys(null, "bi", "orders"));
            print("imported keys", "*", data, d -> d.getImportedKeys(null, "bi", "orders"));
            print("exported keys", "*", data, d -> d.getExportedKeys(null, "bi", "customers"));
            print("cross reference", "*", data, d -> d.getCrossReference(null, "bi", "customers", null, "bi", "orders"));
            print("indexes", "*", data, d -> d.getIndexInfo(null, "bi", "orders", false, true));
            print("unique indexes", "INDEX_NAME", data, d -> d.getIndexInfo(null, "bi", "orders", true, true));
            print("best row identifier", "*", data, d -> d.getBestRowIdentifier(null, "bi", "orders", DatabaseMetaData.bestRowSession, true));
            print("version columns", "COLUMN_NAME", data, d -> d.getVersionColumns(null, "bi", "orders"));
            print("functions", "*", data, d -> d.getFunctions(null, "pg_catalog", "abs"));
            print("function columns", "*", data, d -> d.getFunctionColumns(null, "pg_catalog", "atan2", "%"));
            print("procedures", "PROCEDURE_NAME", data, d -> d.getProcedures(null, "bi", "%"));
            print("types", "TYPE_NAME DATA_TYPE PRECISION CASE_SENSITIVE SEARCHABLE", data, JdbcMetadata::commonTypes);
            print("user types", "TYPE_NAME", data, d -> d.getUDTs(null, "bi", "%", null));
            print("client info", "NAME MAX_LEN", data, DatabaseMetaData::getClientInfoProperties);
            facts(data);
            results(connection);
        }
    }

    private static ResultSet commonTypes(DatabaseMetaData data) throws SQLException {
        return data.getTypeInfo();
    }

    private static final Set<String> COMMON_TYPES = Set.of("bool", "bytea", "int8", "int2", "int4", "text", "json", "float4",
        "float8", "bpchar", "varchar", "date", "time", "timestamp", "timestamptz", "interval", "numeric", "uuid", "jsonb",
        "_int4", "_text", "serial", "bigserial", "oid", "name");

    private static void print(String title, String columns, DatabaseMetaData data, Call call) throws SQLException {
        System.out.println("== " + title);
        List<String> lines = new ArrayList<>();
        try (ResultSet rows = call.on(data)) {
            ResultSetMetaData described = rows.getMetaData();
            while (rows.next()) {
                StringBuilder line = new StringBuilder();
                for (int at = 1; at <= described.getColumnCount(); at++) {
                    String name = described.getColumnName(at);
                    if (!columns.equals("*") && !List.of(columns.split(" ")).contains(name)) {
                        continue;
                    }
                    String value = rows.getString(at);
                    if (MASKED.contains(name) && value != null || UNKNOWN.contains(name)) {
                        value = "?";
                    }
                    line.append(line.length() == 0 ? "" : " ").append(name).append('=').append(value);
                }
                if (!title.equals("types") || COMMON_TYPES.contains(rows.getString("TYPE_NAME"))) {
                    lines.add(line.toString());
                }
            }
        }
        if (title.equals("types")) {
            Collections.sort(lines);
        }
        // There is one catalog; a PostgreSQL may have others.
        (title.equals("catalogs") ? lines.subList(0, 1) : lines).forEach(System.out::println);
    }

    private static void facts(DatabaseMetaData data) throws SQLException {
        System.out.println("== facts");
        System.out.println(data.getDatabaseProductName() + " " + data.getDatabaseMajorVersion());
        System.out.println(data.getIdentifierQuoteString() + " " + data.getMaxColumnNameLength() + " " + data.getDefaultTransactionIsolation());
        System.out.println(data.supportsTransactions() + " " + data.supportsSavepoints() + " " + data.supportsBatchUpdates());
        System.out.println(data.getSQLKeywords().contains("analyse") + " " + data.getNumericFunctions().contains("abs"));
    }

    private static void results(Connection connection) throws SQLException {
        System.out.println("== result columns");
        String sql = "SELECT o.*, o.id AS renamed, count(*) OVER () AS n FROM bi.orders o";
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            ResultSetMetaData columns = rows.getMetaData();
            for (int at = 1; at <= columns.getColumnCount(); at++) {
                System.out.println(columns.getColumnLabel(at) + " " + columns.getColumnTypeName(at) + " " + columns.getColumnType(at)
                    + " " + columns.getPrecision(at) + " " + columns.getScale(at) + " " + columns.getTableName(at)
                    + " " + columns.getSchemaName(at) + " " + columns.isNullable(at) + " " + columns.isAutoIncrement(at)
                    + " " + columns.getColumnClassName(at) + " " + columns.isSigned(at) + " " + columns.getColumnDisplaySize(at));
            }
        }
    }
}
