CREATE TABLE houses AS SELECT * FROM read_csv('houses.csv');

CREATE MODEL price TARGET price PARTITION BY (region) EXCLUDE (id, held) AS AUTOML
    SELECT * FROM houses WHERE NOT held;

CREATE TABLE scored AS SELECT id, held, price, predict('price', h.*) AS estimate FROM houses h;
