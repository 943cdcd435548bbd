-- predict scores a row. Columns find their features by name; whatever else the row has is passed over.

SELECT day, sold, round(predict('sales', d.*)) AS expected FROM shop_days d WHERE shop = 'Porto' ORDER BY day LIMIT 5;

-- A row of one's own, and what if.

SELECT promotion, round(predict('sales', shop => 'Porto', day => date '2024-05-01', visitors => 130,
                                rain_mm => 0, promotion => promotion)) AS expected
FROM (VALUES ('none'), ('flyer'), ('radio')) p(promotion);

-- The same rows, had there been a radio spot every day: what stands after d.* wins.

SELECT shop, round(sum(predict('sales', d.*, promotion => 'radio') - sold)) AS gain
FROM shop_days d GROUP BY shop ORDER BY shop;

-- Classification gives a probability as well.

CREATE MODEL good_day
    TARGET good
    WITH (max_trials = 3, timeout = '30 s')
    AS AUTOML SELECT shop, visitors, rain_mm, promotion, sold > 45 AS good FROM shop_days;

SELECT shop, predict('good_day', d.*) AS good, round(predict_proba('good_day', d.*)::numeric, 2) AS chance
FROM shop_days d WHERE day = '2024-03-10' ORDER BY shop;
