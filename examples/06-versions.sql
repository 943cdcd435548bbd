-- OR REPLACE makes a new version; until it is ready the old one answers. Old versions stay at hand.

CREATE OR REPLACE MODEL sales
    TARGET sold
    AS linear
    SELECT shop, visitors, rain_mm, promotion, sold FROM shop_days;

SELECT model, version FROM ml.versions WHERE model = 'sales' ORDER BY version;

SELECT round(predict('sales@1', d.*)) AS before, round(predict('sales', d.*)) AS now
FROM shop_days d WHERE id = 1;

-- A view that scores; the model can't be dropped from under it.

CREATE VIEW scored AS SELECT id, predict('sales', d.*) AS expected FROM shop_days d;

DROP MODEL sales CASCADE;
