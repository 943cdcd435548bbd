-- Tables, rows and queries are Postgres'. Each table is a Delta Lake table under the data directory.

CREATE TABLE fruit (name text NOT NULL, kilos numeric(8,2) CHECK (kilos >= 0), picked date);

INSERT INTO fruit VALUES ('apple', 12.5, '2024-09-03'), ('pear', 7.25, '2024-09-01'), ('plum', NULL, NULL);

SELECT name, kilos, extract(day FROM picked) AS day FROM fruit ORDER BY name;

CREATE VIEW heavy AS SELECT name FROM fruit WHERE kilos > 10;

SELECT * FROM heavy;
