-- A transaction sees its own writes; nobody else does before COMMIT.

BEGIN;
INSERT INTO fruit VALUES ('fig', 3, '2024-09-10');
DELETE FROM fruit WHERE name = 'plum';
SELECT name FROM fruit ORDER BY name;
ROLLBACK;

SELECT name FROM fruit ORDER BY name;

-- Each commit is a version of the table.

UPDATE fruit SET kilos = kilos - 1 WHERE name = 'apple';

SELECT kilos FROM fruit WHERE name = 'apple';

SELECT kilos FROM fruit VERSION AS OF 1 WHERE name = 'apple';
