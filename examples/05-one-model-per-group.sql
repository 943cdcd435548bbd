-- PARTITION BY trains one model for each shop, in one statement, as one object with one version.

CREATE MODEL sales_by_shop
    TARGET sold
    PARTITION BY (shop)
    EXCLUDE (id, day)
    WITH (max_trials = 2, timeout = '30 s')
    AS AUTOML SELECT * FROM shop_days;

SELECT * FROM ml.groups WHERE model = 'sales_by_shop';

-- predict finds the model of each row's shop. A shop that nobody has seen is answered too.

SELECT shop, round(avg(abs(predict('sales_by_shop', d.*) - sold)), 1) AS mean_error
FROM shop_days d GROUP BY shop ORDER BY shop;

SELECT round(predict('sales_by_shop', shop => 'Atlantis', visitors => 100, rain_mm => 1.0, promotion => 'none'));
