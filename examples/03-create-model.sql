-- CREATE MODEL trains: several learners are tried, the best on rows held out wins and learns from all rows.
-- Progress comes as notices. The column id says nothing about sales, so it is left out.

CREATE MODEL sales
    TARGET sold
    EXCLUDE (id)
    WITH (max_trials = 4, timeout = '30 s')
    AS AUTOML SELECT * FROM shop_days;

SHOW MODELS;

DESCRIBE MODEL sales;

-- A learner of one's choice, with its parameters.

CREATE MODEL sales_trees
    TARGET sold
    AS trees (rounds = 100, max_depth = 3, learning_rate = 0.1)
    SELECT shop, visitors, rain_mm, promotion, sold FROM shop_days;
