import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.util.Properties;

/** Calls what tools ask of pgjdbc's DatabaseMetaData; its queries are read from the server's log. */
public class MetadataCalls {
    private static void drain(ResultSet rows) throws Exception {
        while (rows.next()) {
            rows.getString(1);
        }
        rows.close();
    }

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", args[1]);
        Connection connection = DriverManager.getConnection(args[0], properties);
        DatabaseMetaData meta = connection.getMetaData();
        drain(meta.getCatalogs());
        drain(meta.getSchemas());
        drain(meta.getSchemas(null, "sh%"));
        drain(meta.getTableTypes());
        drain(meta.getTables(null, null, "%", null));
        drain(meta.getTables(null, "shop", "o%", new String[] {"TABLE", "VIEW"}));
        drain(meta.getColumns(null, "shop", "orders", "%"));
        drain(meta.getColumns(null, "shop", "customers", "%"));
        drain(meta.getPrimaryKeys(null, "shop", "order_lines"));
        drain(meta.getIndexInfo(null, "shop", "order_lines", false, true));
        drain(meta.getImportedKeys(null, "shop", "orders"));
        drain(meta.getExportedKeys(null, "shop", "customers"));
        drain(meta.getCrossReference(null, "shop", "customers", null, "shop", "orders"));
        drain(meta.getBestRowIdentifier(null, "shop", "orders", DatabaseMetaData.bestRowSession, true));
        drain(meta.getVersionColumns(null, "shop", "orders"));
        drain(meta.getTypeInfo());
        drain(meta.getFunctions(null, "shop", "%"));
        drain(meta.getProcedures(null, "shop", "%"));
        drain(meta.getTablePrivileges(null, "shop", "orders"));
        drain(meta.getColumnPrivileges(null, "shop", "orders", "%"));
        drain(meta.getClientInfoProperties());
        meta.getSQLKeywords();
        meta.getMaxColumnNameLength();
        connection.getSchema();
        PreparedStatement statement = connection.prepareStatement("SELECT id, amount, note FROM shop.orders");
        ResultSetMetaData columns = statement.executeQuery().getMetaData();
        for (int at = 1; at <= columns.getColumnCount(); at++) {
            columns.isAutoIncrement(at);
            columns.isNullable(at);
            ((org.postgresql.PGResultSetMetaData) columns).getBaseTableName(at);
        }
        connection.createArrayOf("numeric", new Object[] {}).free();
        drain(connection.createStatement().executeQuery("SELECT ARRAY[1.5, 2.5] AS prices"));
        connection.close();
    }
}
