import java.io.StringWriter;
import java.sql.*;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** Walks through what the JDBC driver does with a server and prints all of it. */
public class Walk {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.put("user", System.getenv("PGUSER"));
    properties.put("password", System.getenv("PGPASSWORD"));
    properties.put("prepareThreshold", "2");
    properties.put("gssEncMode", "disable");
    String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE") + "?sslmode=disable";
    try (Connection connection = DriverManager.getConnection(url, properties)) {
      try (Statement s = connection.createStatement()) {
        for (String from : new String[] {"customers ORDER BY id", "orders ORDER BY id", "payments ORDER BY order_id", "visits ORDER BY at"})
          show(s.executeQuery("SELECT * FROM shop." + from + " LIMIT 12"));
      }
      // Named on the server from the second time on, and binary from then on.
      try (PreparedStatement p = connection.prepareStatement("SELECT id, email, birth_date, created_at, prefs FROM shop.customers WHERE id > ? AND city = ? ORDER BY id LIMIT 3")) {
        for (int turn = 0; turn < 5; turn++) {
          p.setInt(1, turn);
          p.setString(2, "Graz");
          show(p.executeQuery());
        }
      }
      connection.setAutoCommit(false);
      try (PreparedStatement p = connection.prepareStatement("SELECT id, note, delivery FROM shop.orders WHERE id <= 40 ORDER BY id")) {
        p.setFetchSize(7); // a portal that is suspended and continued
        show(p.executeQuery());
      }
      if (args.length == 0) {
        try (Statement s = connection.createStatement()) {
          s.execute("CREATE TEMP TABLE batch (a int PRIMARY KEY, b text)");
        }
        try (PreparedStatement p = connection.prepareStatement("INSERT INTO batch VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
          for (int n = 0; n < 300; n++) {
            p.setInt(1, n);
            p.setString(2, "row " + n);
            p.addBatch();
          }
          System.out.println(p.executeBatch().length);
          p.setInt(1, 7);
          p.setString(2, "again");
          p.addBatch();
          try {
            p.executeBatch();
          } catch (BatchUpdateException error) {
            System.out.println(error.getSQLState() + " " + error.getMessage());
          }
        }
        connection.rollback();
        try (CallableStatement c = connection.prepareCall("{? = call shop.vat(?)}")) {
          c.registerOutParameter(1, Types.NUMERIC);
          c.setBigDecimal(2, new java.math.BigDecimal("12.50"));
          c.execute();
          System.out.println(c.getBigDecimal(1));
        }
        try (PreparedStatement p = connection.prepareStatement("SELECT shop.order_count(?)")) {
          p.setInt(1, 4);
          show(p.executeQuery());
          for (SQLWarning w = p.getWarnings(); w != null; w = w.getNextWarning()) System.out.println(w.getSQLState() + " " + w.getMessage());
        }
        for (String text : new String[] {"SELEC 1", "SELECT 1/0", "SELECT nonsense", "DELETE FROM shop.customers", "SELECT shop.order_count(99999)"}) {
          try (Statement s = connection.createStatement()) {
            s.execute(text);
          } catch (org.postgresql.util.PSQLException error) {
            org.postgresql.util.ServerErrorMessage m = error.getServerErrorMessage();
            System.out.println(m.getSeverity() + "|" + m.getSQLState() + "|" + m.getMessage() + "|" + m.getDetail() + "|" + m.getHint() + "|"
                + m.getPosition() + "|" + m.getWhere() + "|" + m.getSchema() + "|" + m.getTable() + "|" + m.getConstraint());
          }
          connection.rollback();
        }
      }
      StringWriter copied = new StringWriter();
      new CopyManager(connection.unwrap(org.postgresql.core.BaseConnection.class)).copyOut("COPY (SELECT id, email, city FROM shop.customers ORDER BY id LIMIT 50) TO STDOUT (FORMAT csv, HEADER)", copied);
      System.out.println(copied);
      connection.rollback();
      DatabaseMetaData meta = connection.getMetaData();
      show(meta.getTables(null, "shop", "%", null));
      show(meta.getColumns(null, "shop", "customers", "%"));
      show(meta.getPrimaryKeys(null, "shop", "orders"));
      show(meta.getImportedKeys(null, "shop", "orders"));
      show(meta.getIndexInfo(null, "shop", "orders", false, false));
      show(meta.getSchemas());
      connection.commit();
    }
  }

  static void show(ResultSet rows) throws SQLException {
    ResultSetMetaData meta = rows.getMetaData();
    StringBuilder head = new StringBuilder();
    for (int c = 1; c <= meta.getColumnCount(); c++)
      head.append(meta.getColumnLabel(c)).append(':').append(meta.getColumnTypeName(c)).append('(').append(meta.getPrecision(c)).append(',').append(meta.getScale(c)).append(") ");
    System.out.println(head);
    while (rows.next()) {
      StringBuilder line = new StringBuilder("  ");
      for (int c = 1; c <= meta.getColumnCount(); c++) line.append(rows.getString(c)).append('|');
      System.out.println(line);
    }
    rows.close();
  }
}
