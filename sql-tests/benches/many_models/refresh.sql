INSERT INTO houses SELECT * FROM read_csv('arrivals.csv');

CREATE OR REPLACE MODEL price TARGET price PARTITION BY (region) EXCLUDE (id, held) AS AUTOML
    SELECT * FROM houses WHERE NOT held;

CREATE OR REPLACE TABLE scored AS SELECT id, held, price, predict('price', h.*) AS estimate FROM houses h;
