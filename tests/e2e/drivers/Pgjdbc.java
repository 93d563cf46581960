// What programs do with pgjdbc, each case on its own: prints "ok NAME" or "failed NAME: why".
// usage: java -cp postgresql.jar Pgjdbc.java HOST PORT DATABASE USER

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class Pgjdbc {
    interface Case {
        void run(Connection db) throws Exception;
    }

    static String base;
    static int failed;

    static Connection connect(String options) throws SQLException {
        return DriverManager.getConnection(base + options);
    }

    static void run(String name, String options, Case body) {
        try (Connection db = connect(options)) {
            body.run(db);
            System.out.println("ok " + name);
        } catch (Throwable e) {
            failed++;
            String at = "";
            for (StackTraceElement frame : e.getStackTrace()) {
                if (frame.getClassName().startsWith("Pgjdbc")) {
                    at = " at line " + frame.getLineNumber();
                    break;
                }
            }
            System.out.println("failed " + name + ": " + e.toString().replace('\n', ' ') + at);
        }
    }

    static void same(Object got, Object wanted) {
        if (got == null ? wanted != null : !got.equals(wanted)) {
            throw new AssertionError("got " + got + ", wanted " + wanted);
        }
    }

    static void execute(Connection db, String... texts) throws SQLException {
        try (Statement s = db.createStatement()) {
            for (String text : texts) {
                s.execute(text);
            }
        }
    }

    static Object one(Connection db, String text, Object... values) throws SQLException {
        try (PreparedStatement s = db.prepareStatement(text)) {
            for (int i = 0; i < values.length; i++) {
                s.setObject(i + 1, values[i]);
            }
            try (ResultSet r = s.executeQuery()) {
                return r.next() ? r.getObject(1) : null;
            }
        }
    }

    static List<String> column(ResultSet r, String label) throws SQLException {
        List<String> found = new ArrayList<>();
        while (r.next()) {
            found.add(r.getString(label));
        }
        return found;
    }

    static void sqlstate(String wanted, Case body, Connection db) throws Exception {
        try {
            body.run(db);
        } catch (SQLException e) {
            same(e.getSQLState(), wanted);
            return;
        }
        throw new AssertionError("no error, wanted " + wanted);
    }

    // ---- values ----

    static final Object[] ROW = {(short) 7, 42, 1L << 62, 1.5f, 0.1d, new BigDecimal("123.4500"),
        "h\u00e9llo", "short", true, LocalDate.of(2024, 2, 29),
        LocalDateTime.of(2024, 2, 29, 1, 2, 3, 4000000),
        OffsetDateTime.of(2024, 2, 29, 1, 2, 3, 0, ZoneOffset.UTC),
        UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")};

    static void types(Connection db) throws SQLException {
        types(db, new byte[] {0, 1, (byte) 255});
    }

    static void typesWithoutBytes(Connection db) throws SQLException {
        types(db, null);  // 42.5 writes a text of them that no server reads in simple mode
    }

    static void types(Connection db, byte[] bytes) throws SQLException {
        String table = "types_" + (System.nanoTime() & 0xffffff);
        execute(db, "CREATE TABLE " + table + " (a int2, b int4, c int8, d float4, e float8, "
            + "f numeric(10,4), g text, h varchar(20), i boolean, j date, k timestamp, "
            + "l timestamptz, m uuid, n bytea)");
        try (PreparedStatement s = db.prepareStatement(
                 "INSERT INTO " + table + " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)")) {
            for (int i = 0; i < ROW.length; i++) {
                s.setObject(i + 1, ROW[i]);
            }
            s.setBytes(14, bytes);
            same(s.executeUpdate(), 1);
            int[] none = {Types.SMALLINT, Types.INTEGER, Types.BIGINT, Types.REAL, Types.DOUBLE,
                Types.NUMERIC, Types.VARCHAR, Types.VARCHAR, Types.BOOLEAN, Types.DATE,
                Types.TIMESTAMP, Types.TIMESTAMP_WITH_TIMEZONE, Types.OTHER, Types.BINARY};
            for (int i = 0; i < none.length; i++) {
                s.setNull(i + 1, none[i]);
            }
            same(s.executeUpdate(), 1);
        }
        try (PreparedStatement s = db.prepareStatement("SELECT * FROM " + table
                 + " ORDER BY a IS NULL")) {
            for (int round = 0; round < 7; round++) {  // prepared on the server from the fifth on
                try (ResultSet r = s.executeQuery()) {
                    same(r.next(), true);
                    Class<?>[] classes = {Short.class, Integer.class, Long.class, Float.class,
                        Double.class, BigDecimal.class, String.class, String.class, Boolean.class,
                        LocalDate.class, LocalDateTime.class, OffsetDateTime.class, UUID.class};
                    for (int i = 0; i < ROW.length; i++) {
                        Object got = classes[i] == Short.class ? (Object) r.getShort(i + 1)
                            : r.getObject(i + 1, classes[i]);
                        if (got instanceof BigDecimal) {
                            same(((BigDecimal) got).compareTo((BigDecimal) ROW[i]), 0);
                        } else {
                            same(got, ROW[i]);
                        }
                    }
                    same(Arrays.toString(r.getBytes(14)), Arrays.toString(bytes));
                    same(r.next(), true);
                    for (int i = 1; i <= 14; i++) {
                        same(r.getObject(i), null);
                    }
                }
            }
            ResultSetMetaData m = s.getMetaData();
            same(m.getColumnTypeName(1), "int2");
            same(m.getColumnTypeName(6), "numeric");
            same(m.getColumnTypeName(13), "uuid");
            same(m.getColumnName(14), "n");
        }
    }

    static void arrays(Connection db) throws SQLException {
        execute(db, "CREATE TABLE arrays (id int, tags text[], numbers int[], big bigint[])");
        Array tags = db.createArrayOf("text", new Object[] {"a", "b c", null, "\"q\""});
        try (PreparedStatement s = db.prepareStatement("INSERT INTO arrays VALUES (?,?,?,?)")) {
            s.setInt(1, 1);
            s.setArray(2, tags);
            s.setArray(3, db.createArrayOf("int4", new Integer[] {1, 2, 3}));
            s.setObject(4, new long[] {1L << 40});
            s.executeUpdate();
        }
        for (int i = 0; i < 7; i++) {
            try (PreparedStatement s = db.prepareStatement("SELECT tags, numbers, big FROM arrays");
                 ResultSet r = s.executeQuery()) {
                r.next();
                same(Arrays.toString((Object[]) r.getArray(1).getArray()), "[a, b c, null, \"q\"]");
                same(Arrays.toString((Object[]) r.getArray(2).getArray()), "[1, 2, 3]");
                same(Arrays.toString((Object[]) r.getArray(3).getArray()), "[1099511627776]");
            }
        }
        try (PreparedStatement s = db.prepareStatement("SELECT id FROM arrays WHERE id = ANY (?)")) {
            s.setArray(1, db.createArrayOf("int4", new Integer[] {1, 5}));
            try (ResultSet r = s.executeQuery()) {
                same(r.next(), true);
                same(r.getInt(1), 1);
            }
        }
    }

    static void json(Connection db) throws SQLException {
        execute(db, "CREATE TABLE documents (id serial PRIMARY KEY, a json, b jsonb)");
        try (PreparedStatement s = db.prepareStatement(
                 "INSERT INTO documents (a, b) VALUES (?::json, ?::jsonb)")) {
            s.setString(1, "{\"x\": 1}");
            s.setObject(2, "{\"y\": [1, 2]}", Types.OTHER);
            s.executeUpdate();
        }
        same(one(db, "SELECT a ->> 'x' FROM documents"), "1");
        same(one(db, "SELECT b -> 'y' ->> 1 FROM documents WHERE id = ?", 1), "2");
        for (int i = 0; i < 7; i++) {
            same(one(db, "SELECT a FROM documents").toString(), "{\"x\": 1}");
            same(one(db, "SELECT b FROM documents").toString().replace(" ", ""), "{\"y\":[1,2]}");
        }
    }

    // ---- transactions, errors ----

    static void transactions(Connection db) throws Exception {
        execute(db, "CREATE TABLE accounts (id int PRIMARY KEY, balance int CHECK (balance >= 0))");
        db.setAutoCommit(false);
        execute(db, "INSERT INTO accounts VALUES (1, 10)");
        Savepoint first = db.setSavepoint();
        Savepoint named = db.setSavepoint("named");
        execute(db, "INSERT INTO accounts VALUES (2, 10)");
        db.rollback(named);
        db.releaseSavepoint(first);
        db.commit();
        sqlstate("23505", c -> execute(c, "INSERT INTO accounts VALUES (1, 1)"), db);
        sqlstate("25P02", c -> execute(c, "SELECT 1"), db);
        db.rollback();
        same(one(db, "SELECT count(*) FROM accounts"), 1L);
        db.rollback();
        db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        same(db.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
        db.setReadOnly(true);
        sqlstate("25006", c -> execute(c, "INSERT INTO accounts VALUES (3, 1)"), db);
        db.rollback();
        db.setReadOnly(false);
        db.setAutoCommit(true);
    }

    static void errors(Connection db) throws Exception {
        execute(db, "CREATE TABLE parents (id int PRIMARY KEY)",
            "CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents)",
            "INSERT INTO parents VALUES (1)");
        sqlstate("23503", c -> execute(c, "INSERT INTO children VALUES (1, 7)"), db);
        sqlstate("23502", c -> execute(c, "INSERT INTO children VALUES (1, NULL)"), db);
        sqlstate("42601", c -> execute(c, "SELEC 1"), db);
        sqlstate("42P01", c -> execute(c, "SELECT * FROM nothing_of_that_name"), db);
        sqlstate("42703", c -> execute(c, "SELECT nothing FROM parents"), db);
        sqlstate("42P07", c -> execute(c, "CREATE TABLE parents (id int)"), db);
        same(one(db, "SELECT 1"), 1);
    }

    // ---- many rows ----

    static void batch(Connection db) throws Exception {
        execute(db, "CREATE TABLE IF NOT EXISTS batches (a int PRIMARY KEY, b text)",
            "DELETE FROM batches");
        try (PreparedStatement s = db.prepareStatement("INSERT INTO batches VALUES (?, ?)")) {
            for (int i = 0; i < 1000; i++) {
                s.setInt(1, i);
                s.setString(2, "row " + i);
                s.addBatch();
            }
            same(s.executeBatch().length, 1000);
        }
        same(one(db, "SELECT count(*) FROM batches"), 1000L);
        try (PreparedStatement s = db.prepareStatement("INSERT INTO batches VALUES (?, ?)")) {
            for (int i : new int[] {2000, 5, 2001}) {
                s.setInt(1, i);
                s.setString(2, "again");
                s.addBatch();
            }
            s.executeBatch();
            throw new AssertionError("no error");
        } catch (BatchUpdateException e) {
            same(e.getSQLState(), "23505");
        }
        same(one(db, "SELECT count(*) FROM batches"), 1000L);
        try (Statement s = db.createStatement()) {
            s.addBatch("UPDATE batches SET b = 'x' WHERE a < 10");
            s.addBatch("DELETE FROM batches WHERE a >= 500");
            same(Arrays.toString(s.executeBatch()), "[10, 500]");
        }
    }

    static void fetchSize(Connection db) throws Exception {
        execute(db, "CREATE TABLE many (a int)",
            "INSERT INTO many SELECT * FROM generate_series(1, 5000)");
        db.setAutoCommit(false);
        try (PreparedStatement s = db.prepareStatement("SELECT a FROM many ORDER BY a")) {
            s.setFetchSize(100);
            try (ResultSet r = s.executeQuery()) {
                long sum = 0;
                while (r.next()) {
                    sum += r.getInt(1);
                }
                same(sum, 12502500L);
            }
        }
        try (PreparedStatement s = db.prepareStatement("SELECT a FROM many ORDER BY a")) {
            s.setMaxRows(7);
            try (ResultSet r = s.executeQuery()) {
                same(column(r, "a").size(), 7);
            }
        }
        db.commit();
    }

    static void generatedKeys(Connection db) throws Exception {
        execute(db, "CREATE TABLE keyed (id serial PRIMARY KEY, name text, n int DEFAULT 5)");
        try (PreparedStatement s = db.prepareStatement("INSERT INTO keyed (name) VALUES (?)",
                 Statement.RETURN_GENERATED_KEYS)) {
            s.setString(1, "a");
            s.executeUpdate();
            try (ResultSet r = s.getGeneratedKeys()) {
                r.next();
                same(r.getInt("id"), 1);
                same(r.getInt("n"), 5);
            }
            s.setString(1, "b");
            s.addBatch();
            s.setString(1, "c");
            s.addBatch();
            s.executeBatch();
            try (ResultSet r = s.getGeneratedKeys()) {
                same(column(r, "id").toString(), "[2, 3]");
            }
        }
        try (PreparedStatement s = db.prepareStatement("INSERT INTO keyed (name) VALUES ('d')",
                 new String[] {"id"})) {
            s.executeUpdate();
            try (ResultSet r = s.getGeneratedKeys()) {
                r.next();
                same(r.getLong(1), 4L);
            }
        }
    }

    static void updatableRows(Connection db) throws Exception {
        execute(db, "CREATE TABLE editable (id int PRIMARY KEY, name text)",
            "INSERT INTO editable VALUES (1, 'one'), (2, 'two')");
        try (Statement s = db.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE,
                 ResultSet.CONCUR_UPDATABLE);
             ResultSet r = s.executeQuery("SELECT id, name FROM editable ORDER BY id")) {
            r.absolute(2);
            r.updateString("name", "zwei");
            r.updateRow();
            r.moveToInsertRow();
            r.updateInt("id", 3);
            r.updateString("name", "drei");
            r.insertRow();
            r.first();
            r.deleteRow();
        }
        try (Statement s = db.createStatement();
             ResultSet r = s.executeQuery("SELECT name FROM editable ORDER BY id")) {
            same(column(r, "name").toString(), "[zwei, drei]");
        }
    }

    static void copy(Connection db) throws Exception {
        execute(db, "CREATE TABLE copied (a int, b text)");
        CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
        same(copy.copyIn("COPY copied FROM STDIN", new StringReader("1\tone\n2\t\\N\n")), 2L);
        same(copy.copyIn("COPY copied (a, b) FROM STDIN WITH (FORMAT csv)",
            new StringReader("3,\"th,ree\"\n")), 1L);
        StringWriter out = new StringWriter();
        copy.copyOut("COPY (SELECT * FROM copied ORDER BY a) TO STDOUT WITH CSV", out);
        same(out.toString(), "1,one\n2,\n3,\"th,ree\"\n");
        sqlstate("22P04", c -> copy.copyIn("COPY copied FROM STDIN", new StringReader("1\n")), db);
        same(one(db, "SELECT count(*) FROM copied"), 3L);
    }

    // ---- cancel, time, notifications ----

    static final String LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        + "WHERE i < 2000000000) SELECT count(*) FROM n";

    static void cancel(Connection db) throws Exception {
        try (Statement s = db.createStatement()) {
            Thread other = new Thread(() -> {
                try {
                    Thread.sleep(300);
                    s.cancel();
                } catch (Exception e) {
                    System.out.println("failed to cancel: " + e);
                }
            });
            other.start();
            sqlstate("57014", c -> s.executeQuery(LONG), db);
            other.join();
        }
        try (Statement s = db.createStatement()) {
            s.setQueryTimeout(1);
            sqlstate("57014", c -> s.executeQuery(LONG), db);
        }
        execute(db, "SET statement_timeout = 200");
        sqlstate("57014", c -> execute(c, LONG), db);
        same(one(db, "SELECT 1"), 1);
    }

    // ---- metadata ----

    static void schema(Connection db) throws SQLException {
        execute(db, "CREATE TABLE authors (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(40) NOT NULL, "
                + "born date, rating numeric(5,2) DEFAULT 1.5)",
            "CREATE TABLE books (author int NOT NULL REFERENCES authors (id) ON DELETE CASCADE, "
                + "number int NOT NULL, title text, PRIMARY KEY (author, number))",
            "CREATE UNIQUE INDEX books_title ON books (title)",
            "CREATE INDEX books_number ON books (number, title)",
            "CREATE VIEW titles AS SELECT title FROM books");
    }

    static void metadataTables(Connection db) throws Exception {
        schema(db);
        DatabaseMetaData m = db.getMetaData();
        same(m.getDatabaseProductName(), "PostgreSQL");
        same(m.getDatabaseMajorVersion() >= 10, true);
        try (ResultSet r = m.getTables(null, "public", "%o%s", new String[] {"TABLE", "VIEW"})) {
            List<String> found = column(r, "TABLE_NAME");
            same(found.containsAll(Arrays.asList("authors", "books")), true);
        }
        try (ResultSet r = m.getTables(db.getCatalog(), null, "titles", null)) {
            r.next();
            same(r.getString("TABLE_TYPE"), "VIEW");
            same(r.getString("TABLE_SCHEM"), "public");
        }
        try (ResultSet r = m.getSchemas()) {
            same(column(r, "TABLE_SCHEM").contains("public"), true);
        }
        try (ResultSet r = m.getCatalogs()) {
            same(column(r, "TABLE_CAT").contains(db.getCatalog()), true);
        }
        try (ResultSet r = m.getTableTypes()) {
            same(column(r, "TABLE_TYPE").contains("TABLE"), true);
        }
        same(db.getSchema(), "public");
    }

    static void metadataColumns(Connection db) throws Exception {
        DatabaseMetaData m = db.getMetaData();
        try (ResultSet r = m.getColumns(null, "public", "authors", "%")) {
            StringBuilder found = new StringBuilder();
            while (r.next()) {
                found.append(r.getString("COLUMN_NAME")).append(' ')
                    .append(r.getString("TYPE_NAME")).append(' ').append(r.getInt("COLUMN_SIZE"))
                    .append(' ').append(r.getInt("DECIMAL_DIGITS")).append(' ')
                    .append(r.getString("IS_NULLABLE")).append(' ')
                    .append(r.getString("IS_AUTOINCREMENT")).append("; ");
            }
            same(found.toString(), "id int4 10 0 NO YES; name varchar 40 0 NO NO; "
                + "born date 13 0 YES NO; rating numeric 5 2 YES NO; ");
        }
        try (ResultSet r = m.getColumns(null, null, "books", "t%")) {
            same(column(r, "COLUMN_NAME").toString(), "[title]");
        }
        try (Statement s = db.createStatement();
             ResultSet r = s.executeQuery("SELECT id, name AS n, rating, 1 + 1 FROM authors")) {
            ResultSetMetaData rm = r.getMetaData();
            same(rm.isAutoIncrement(1), true);
            same(rm.isNullable(1), ResultSetMetaData.columnNoNulls);
            same(rm.isNullable(3), ResultSetMetaData.columnNullable);
            same(rm.getColumnLabel(2), "n");
            same(rm.getPrecision(2), 40);
            same(rm.getPrecision(3), 5);
            same(rm.getScale(3), 2);
            same(((org.postgresql.PGResultSetMetaData) rm).getBaseTableName(2), "authors");
            same(((org.postgresql.PGResultSetMetaData) rm).getBaseColumnName(2), "name");
            same(rm.getColumnLabel(4), "?column?");
        }
    }

    static void metadataKeys(Connection db) throws Exception {
        DatabaseMetaData m = db.getMetaData();
        try (ResultSet r = m.getPrimaryKeys(null, "public", "books")) {
            StringBuilder found = new StringBuilder();
            while (r.next()) {
                found.append(r.getString("COLUMN_NAME")).append(r.getInt("KEY_SEQ"))
                    .append(r.getString("PK_NAME")).append(' ');
            }
            same(found.toString(), "author1books_pkey number2books_pkey ");
        }
        try (ResultSet r = m.getIndexInfo(null, "public", "books", false, false)) {
            StringBuilder found = new StringBuilder();
            while (r.next()) {
                found.append(r.getString("INDEX_NAME")).append(' ')
                    .append(r.getBoolean("NON_UNIQUE")).append(' ')
                    .append(r.getString("COLUMN_NAME")).append("; ");
            }
            same(found.toString(), "books_pkey false author; books_pkey false number; "
                + "books_title false title; books_number true number; books_number true title; ");
        }
        try (ResultSet r = m.getImportedKeys(null, "public", "books")) {
            r.next();
            same(r.getString("PKTABLE_NAME") + "." + r.getString("PKCOLUMN_NAME") + " "
                + r.getString("FKTABLE_NAME") + "." + r.getString("FKCOLUMN_NAME") + " "
                + r.getInt("DELETE_RULE") + " " + r.getString("FK_NAME"),
                "authors.id books.author " + DatabaseMetaData.importedKeyCascade
                + " books_author_fkey");
        }
        try (ResultSet r = m.getExportedKeys(null, "public", "authors")) {
            same(column(r, "FKTABLE_NAME").toString(), "[books]");
        }
        try (ResultSet r = m.getCrossReference(null, null, "authors", null, null, "books")) {
            same(column(r, "FKCOLUMN_NAME").toString(), "[author]");
        }
        try (ResultSet r = m.getBestRowIdentifier(null, null, "authors", 0, false)) {
            same(column(r, "COLUMN_NAME").toString(), "[id]");
        }
    }

    static void metadataRest(Connection db) throws Exception {
        DatabaseMetaData m = db.getMetaData();
        try (ResultSet r = m.getTypeInfo()) {
            List<String> found = column(r, "TYPE_NAME");
            same(found.containsAll(Arrays.asList("int4", "text", "bool", "uuid", "numeric")), true);
        }
        try (ResultSet r = m.getFunctions(null, null, "nothing%")) {
            same(r.next(), false);
        }
        try (ResultSet r = m.getProcedures(null, null, "nothing%")) {
            same(r.next(), false);
        }
        try (ResultSet r = m.getProcedureColumns(null, null, "nothing%", "%")) {
            same(r.next(), false);
        }
        try (ResultSet r = m.getTablePrivileges(null, null, "authors")) {
            r.next();
        }
        try (ResultSet r = m.getColumnPrivileges(null, null, "authors", "%")) {
            r.next();
        }
        try (ResultSet r = m.getUDTs(null, null, "%", null)) {
            r.next();
        }
        try (ResultSet r = m.getVersionColumns(null, null, "authors")) {
            r.next();
        }
        try (ResultSet r = m.getClientInfoProperties()) {
            same(r.next(), true);
        }
        same(m.getSQLKeywords().contains("ilike"), true);
        same(m.getUserName().length() > 0, true);
        same(m.getMaxColumnNameLength(), 63);
        db.setClientInfo("ApplicationName", "a program");
        same(one(db, "SELECT current_setting('application_name')"), "a program");
        same(db.isValid(5), true);
    }

    static void modes(Connection db) throws Exception {
        execute(db, "CREATE TABLE IF NOT EXISTS modes (a int, b text)");
        for (int i = 0; i < 7; i++) {
            try (PreparedStatement s = db.prepareStatement("INSERT INTO modes VALUES (?, ?)")) {
                s.setInt(1, i);
                s.setString(2, "it's " + i);
                same(s.executeUpdate(), 1);
            }
            same(one(db, "SELECT b FROM modes WHERE a = ? AND b LIKE ?", i, "it''s%".replace("''",
                "'")), "it's " + i);
        }
        try (Statement s = db.createStatement()) {
            same(s.execute("SELECT 1; UPDATE modes SET b = 'x' WHERE a < 2; SELECT 2"), true);
            same(s.getMoreResults(), false);
            same(s.getUpdateCount(), 2);
            same(s.getMoreResults(), true);
        }
        execute(db, "DELETE FROM modes");
    }

    public static void main(String[] arguments) throws Exception {
        base = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2]
            + "?user=" + arguments[3] + "&password=none&sslmode=disable&loginTimeout=20";
        run("types", "", Pgjdbc::types);
        run("types_binary", "&prepareThreshold=-1", Pgjdbc::types);
        run("types_simple", "&preferQueryMode=simple", Pgjdbc::typesWithoutBytes);
        run("arrays", "", Pgjdbc::arrays);
        run("json", "", Pgjdbc::json);
        run("transactions", "", Pgjdbc::transactions);
        run("errors", "", Pgjdbc::errors);
        run("batch", "", Pgjdbc::batch);
        run("batch_rewritten", "&reWriteBatchedInserts=true", Pgjdbc::batch);
        run("fetch_size", "", Pgjdbc::fetchSize);
        run("generated_keys", "", Pgjdbc::generatedKeys);
        run("updatable_rows", "", Pgjdbc::updatableRows);
        run("copy", "", Pgjdbc::copy);
        run("cancel", "", Pgjdbc::cancel);
        run("metadata_tables", "", Pgjdbc::metadataTables);
        run("metadata_columns", "", Pgjdbc::metadataColumns);
        run("metadata_keys", "", Pgjdbc::metadataKeys);
        run("metadata_rest", "", Pgjdbc::metadataRest);
        run("modes", "", Pgjdbc::modes);
        run("mode_simple", "&preferQueryMode=simple", Pgjdbc::modes);
        run("mode_cache_everything", "&preferQueryMode=extendedCacheEverything", Pgjdbc::modes);
        run("autosave", "&autosave=always", db -> {
            db.setAutoCommit(false);
            execute(db, "CREATE TABLE saved (a int PRIMARY KEY)", "INSERT INTO saved VALUES (1)");
            sqlstate("23505", c -> execute(c, "INSERT INTO saved VALUES (1)"), db);
            execute(db, "INSERT INTO saved VALUES (2)");
            db.commit();
            same(one(db, "SELECT count(*) FROM saved"), 2L);
        });
        System.exit(failed == 0 ? 0 : 1);
    }
}
