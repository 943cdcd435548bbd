//! How is each statement written, and what does it do?

use super::StatementPage;

const fn page(name: &'static str, syntax: &'static str, text: &'static str) -> StatementPage {
    StatementPage { name, syntax, text }
}

/// Every statement, in the order of the index.
pub const PAGES: &[StatementPage] = &[
    page(
        "SELECT",
        "SELECT … FROM … WHERE … GROUP BY … ORDER BY … LIMIT …\nTABLE t\nVALUES (…), (…)\nSELECT … FROM t VERSION AS OF 3\nSELECT … FROM t TIMESTAMP AS OF '2026-01-31 12:00:00'",
        "Queries in PostgreSQL's dialect: joins, subqueries, CTEs, window functions, set operations. `VERSION AS OF` and `TIMESTAMP AS OF` read an earlier state of a table.",
    ),
    page(
        "CREATE TABLE",
        "CREATE [OR REPLACE] TABLE [IF NOT EXISTS] t (column type [NOT NULL] [DEFAULT …] [CHECK (…)] [PRIMARY KEY], LIKE other [INCLUDING part | EXCLUDING part], …) [PARTITIONED BY (column, …)]\nCREATE { TEMPORARY | TEMP } TABLE … [ON COMMIT { PRESERVE ROWS | DELETE ROWS | DROP }]\nCREATE [OR REPLACE] TABLE [IF NOT EXISTS] t AS query\nCREATE TABLE [IF NOT EXISTS] t LOCATION 'path'",
        "Makes a Delta table; `AS` fills it in the same commit; `LOCATION` names one that exists. NOT NULL and CHECK are enforced. PRIMARY KEY, UNIQUE and FOREIGN KEY are informational: they are told to clients and name what `ON CONFLICT` may match. `serial`, `bigserial` and `GENERATED … AS IDENTITY` draw from a sequence. `LIKE` copies names, types and NOT NULL, and with `INCLUDING` also `DEFAULTS`, `CONSTRAINTS` (CHECK), `IDENTITY`, `INDEXES` (keys), `COMMENTS` or `ALL`.\n\nA temporary table lies in the session's own schema `pg_temp`, hides others of its name, and goes with the session.\n\n`OR REPLACE` gives a table that is there other columns and rows in one commit. It stays the same table, with its name, identity and history, so `VERSION AS OF` reads what was there before; defaults, constraints and sequences are the new ones. It is refused when a view over the table would break.",
    ),
    page(
        "INSERT",
        "INSERT INTO t [AS x] [(columns)] [OVERRIDING { SYSTEM | USER } VALUE] { query | VALUES (…), (…) | DEFAULT VALUES }\n    [ON CONFLICT [(columns) | ON CONSTRAINT name] { DO NOTHING | DO UPDATE SET column = expression, … [WHERE condition] }]\n    [RETURNING expression, … | *]",
        "Adds rows. All INSERTs of one transaction are one Delta commit per table. `RETURNING` gives back the rows as they were stored. `ON CONFLICT` matches rows by a declared PRIMARY KEY or UNIQUE; `excluded` is the proposed row. Keys are informational, so only statements with `ON CONFLICT` look for equal keys; they do it in one commit that nobody else's may precede.",
    ),
    page(
        "UPDATE",
        "UPDATE t [AS x] SET column = expression | DEFAULT, (a, b) = (…), … [FROM …] [WHERE condition] [RETURNING expression, … | *]",
        "Changes rows by writing the files that hold them anew. A row that matches several rows of `FROM` is changed once. Outside a transaction block, a statement that loses a race with another writer runs again; in a block it is told so (40001).",
    ),
    page(
        "DELETE",
        "DELETE FROM t [AS x] [USING …] [WHERE condition] [RETURNING expression, … | *]",
        "Removes rows by writing the files that hold them anew. What is said of races at UPDATE holds here too.",
    ),
    page("TRUNCATE", "TRUNCATE [TABLE] t [, …]", "Removes all rows."),
    page(
        "COPY",
        "COPY t [(columns)] FROM STDIN [WITH (FORMAT csv | text | binary, HEADER, DELIMITER ',', NULL '', …)]\nCOPY t FROM STDIN WITH (CREATE, FORMAT csv, HEADER)\nCOPY { t | (query) } TO STDOUT [WITH (…)]",
        "Moves rows between a client and a table, with psql's `\\copy` for files. `CREATE` makes the table and infers its types from the rows.",
    ),
    page(
        "BACKUP",
        "BACKUP TO 'folder'",
        "Copies the catalog, the tables and the models of one moment into an empty or new folder of the server's machine, below `--files-root` for clients that come over TCP. Queries go on; commits wait while the logs are copied. `tarn restore` makes a data directory of it.",
    ),
    page(
        "CREATE VIEW",
        "CREATE [OR REPLACE] VIEW v [(columns)] AS query",
        "Stores a query. Unqualified names in it mean objects of the view's schema, then of `public`.",
    ),
    page(
        "CREATE SCHEMA",
        "CREATE SCHEMA [IF NOT EXISTS] s",
        "Makes a namespace of tables, views, sequences and models.",
    ),
    page(
        "CREATE SEQUENCE",
        "CREATE SEQUENCE [IF NOT EXISTS] s [AS type] [INCREMENT [BY] n] [MINVALUE n | NO MINVALUE] [MAXVALUE n | NO MAXVALUE] [START [WITH] n] [CACHE n] [[NO] CYCLE] [OWNED BY table.column]\nALTER SEQUENCE [IF EXISTS] s [the same options] [RESTART [[WITH] n]]\nALTER SEQUENCE [IF EXISTS] s { RENAME TO name | SET SCHEMA schema | OWNER TO role }",
        "Makes a source of numbers for `nextval`; options stand in any order. Numbers are gone once taken, and `setval` takes effect at once, also after ROLLBACK.",
    ),
    page(
        "ALTER TABLE",
        "ALTER TABLE [IF EXISTS] t action, …\n\n    ADD [COLUMN] [IF NOT EXISTS] column type [options]\n    DROP [COLUMN] [IF EXISTS] column [CASCADE]\n    RENAME [COLUMN] a TO b\n    ALTER [COLUMN] column { SET DEFAULT expression | DROP DEFAULT | SET NOT NULL | DROP NOT NULL }\n    ALTER [COLUMN] column [SET DATA] TYPE type [USING expression]\n    ADD [CONSTRAINT name] { CHECK (…) [NOT VALID] | PRIMARY KEY (…) | UNIQUE (…) | FOREIGN KEY (…) REFERENCES … }\n    DROP CONSTRAINT [IF EXISTS] name\n    RENAME CONSTRAINT a TO b\n    RENAME TO name\n    SET SCHEMA schema\n    OWNER TO role",
        "Changes a table, in one Delta commit with everything else that the transaction does to it. A new column without a default, NOT NULL, constraints and names leave the files alone. A new column with a default, a dropped or renamed column and another type write all rows anew, so that every reader of Delta sees the same table. NOT NULL and CHECK are tested over the rows that are there. A column that a view reads is not renamed, and dropped only with CASCADE.",
    ),
    page(
        "COMMENT",
        "COMMENT ON { TABLE | VIEW | SEQUENCE | SCHEMA | COLUMN } name IS 'text' | NULL",
        "Keeps a remark about an object.",
    ),
    page(
        "DROP",
        "DROP { TABLE | VIEW | SEQUENCE | SCHEMA } [IF EXISTS] name [, …] [CASCADE | RESTRICT]",
        "Removes objects. What others depend on stays unless CASCADE is said.",
    ),
    page(
        "DESCRIBE",
        "DESCRIBE t",
        "Shows the columns of a table or view.",
    ),
    page(
        "EXPLAIN",
        "EXPLAIN [ANALYZE] [VERBOSE] { query | INSERT … | UPDATE … | DELETE … | CREATE TABLE … AS query }",
        "Shows the plan, a line per row; ANALYZE runs the statement, also one that writes.",
    ),
    page(
        "CREATE MODEL",
        "CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name\n    TARGET column\n    [PARTITION BY (column, …)]\n    [ORDER BY time_column]\n    [EXCLUDE (column, …)]\n    [WITH (option = value, …)]\nAS { AUTOML [(option = value, …)] | algorithm [(parameter = value, …)] }\n{ query | (query) | TABLE t }",
        "Trains a model on the rows of a query. AUTOML tries learners within `timeout` (default 60 s) or `max_trials`, judges them on rows that the search never sees and refits the best on all rows. `trees`, `linear`, `logistic` and `baseline` train one algorithm; `xgboost` and `lightgbm` are `trees` with their defaults. `PARTITION BY` trains one model per group, in one object; a group that cannot be trained never fails the statement. `ORDER BY` holds out the newest rows. With the same data, `max_trials` and `seed` the model has the same bytes; what a timeout made can be made again with the options that DESCRIBE MODEL shows as `replay`. [Options and parameters](../model-options.md).\n\nThe model is visible when the statement completes; OR REPLACE serves the old version until then. `ml.models`, `ml.versions`, `ml.trials`, `ml.groups`, `ml.metrics` and `ml.progress` tell about it.",
    ),
    page(
        "DROP MODEL",
        "DROP MODEL [IF EXISTS] name [, …] [CASCADE | RESTRICT]",
        "Removes models with all versions. Views that call a model keep it unless CASCADE is said.",
    ),
    page(
        "DESCRIBE MODEL",
        "DESCRIBE MODEL name",
        "Shows what a model predicts, from which columns, and how it was trained.",
    ),
    page(
        "SHOW MODELS",
        "SHOW MODELS [LIKE 'pattern']",
        "Lists the models.",
    ),
    page(
        "BEGIN",
        "BEGIN [ISOLATION LEVEL …] [READ ONLY | READ WRITE]",
        "Opens a transaction block. It reads one snapshot of each table and its own writes.",
    ),
    page(
        "COMMIT",
        "COMMIT [AND CHAIN]",
        "Publishes a transaction: one Delta commit per table, all or nothing. 40001 tells that another transaction changed the same rows first.",
    ),
    page(
        "ROLLBACK",
        "ROLLBACK [AND CHAIN]\nROLLBACK TO [SAVEPOINT] name",
        "Takes back a transaction, or what was done since a savepoint.",
    ),
    page(
        "SAVEPOINT",
        "SAVEPOINT name\nRELEASE [SAVEPOINT] name",
        "Marks a point to which a transaction can go back.",
    ),
    page(
        "PREPARE",
        "PREPARE name [(type, …)] AS statement",
        "Keeps a statement with parameters `$1`, `$2`, … under a name.",
    ),
    page(
        "EXECUTE",
        "EXECUTE name [(value, …)]",
        "Runs a prepared statement.",
    ),
    page(
        "DEALLOCATE",
        "DEALLOCATE { name | ALL }",
        "Forgets prepared statements.",
    ),
    page(
        "DECLARE",
        "DECLARE name CURSOR [WITH HOLD] FOR query",
        "Opens a cursor, which moves forward.",
    ),
    page(
        "FETCH",
        "FETCH [n | ALL | NEXT] [FROM] name\nMOVE [n | ALL] [FROM] name",
        "Reads, or skips, the next rows of a cursor.",
    ),
    page("CLOSE", "CLOSE { name | ALL }", "Ends cursors."),
    page(
        "SET",
        "SET [SESSION | LOCAL] name { = | TO } { value | DEFAULT }",
        "Changes a setting of this session, or of this transaction.",
    ),
    page("SHOW", "SHOW { name | ALL }", "Shows settings."),
    page("RESET", "RESET { name | ALL }", "Puts settings back."),
    page(
        "ALTER ROLE",
        "ALTER { ROLE | USER } { role | CURRENT_USER | ALL } SET name { = | TO } { value | DEFAULT }\nALTER { ROLE | USER } { role | CURRENT_USER | ALL } RESET { name | ALL }",
        "Sets what later sessions of a role begin with, for example how many threads its trainings may use: `ALTER ROLE tarn SET ml.max_threads = 4`. A role's own values go before those of ALL, and what a client asks for when it connects goes before both. `pg_db_role_setting` shows them.",
    ),
    page(
        "DISCARD",
        "DISCARD { ALL | PLANS | SEQUENCES | TEMP }",
        "Makes the session fresh.",
    ),
];
