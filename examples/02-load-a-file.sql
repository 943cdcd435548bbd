-- psql's \copy sends a file of yours. WITH (CREATE) makes the table and infers its types.

\copy shop_days FROM 'examples/shop-days.csv' WITH (FORMAT csv, HEADER, CREATE)

\d shop_days

SELECT shop, count(*) AS days, round(avg(sold), 1) AS sold_a_day FROM shop_days GROUP BY shop ORDER BY shop;
