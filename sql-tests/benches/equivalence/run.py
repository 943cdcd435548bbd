"""Do `AS lightgbm` and `AS xgboost` in SQL err as LightGBM and XGBoost do?

    python sql-tests/benches/equivalence/run.py --data DIR --tarn target/release/tarn

DIR holds the tables named below as CSV (header, empty = NULL). On the same splits the libraries train with
their defaults here and Tarn with its `lightgbm` and `xgboost` over the wire; both predict rows that neither
has seen. A table counts when Tarn's mean error (log loss, RMSE) is at most 1 % above the library's. Needs
requirements.txt. The exit status is 1 if fewer than ten tables count for a library.
"""

import pathlib
import sys

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn import metrics

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments  # noqa: E402

# File, target, threshold that makes two classes of a number.
TABLES = [
    ("wine_quality", "quality", 7.0),
    ("adult_train", "income", None),
    ("california_housing", "median_house_value", None),
    ("king_county", "price", None),
    ("beijing_pollution", "pm25", None),
    ("cls_breast_cancer", "class", None),
    ("cls_credit_g", "class", None),
    ("cls_segment_challenge", "class", None),
    ("cls_soybean", "class", None),
    ("reg_autompg", "class", None),
    ("reg_cleveland", "num", None),
    ("reg_cpu", "class", None),
    ("reg_housing", "class", None),
    ("reg_sensory", "score", None),
]
TOLERANCE, TABLES_MIN = 1.01, 10


def read(folder, file, target, threshold):
    """Features f0, f1, …, and y: class names, or numbers."""
    table = pd.read_csv(folder / f"{file}.csv", keep_default_na=False, na_values=[""])
    table.columns = [name.removeprefix("b'") for name in table.columns]
    table = table[table[target].notna()].drop(columns=["no"], errors="ignore").reset_index(drop=True)
    y = table.pop(target)
    table.columns = [f"f{place}" for place in range(table.shape[1])]
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].astype("category")
    if threshold is not None:
        y = (y >= threshold).map({False: "below", True: "above"})
    classes = not pd.api.types.is_numeric_dtype(y)
    return table, (y.astype(str) if classes else y.astype(float)), classes


def splits(rows):
    """Five random splits, 80 : 20; twenty of small tables, whose error depends much on the split."""
    for seed in range(20 if rows < 2000 else 5):
        order = np.random.default_rng(seed).permutation(rows)
        yield order[rows // 5 :], order[: rows // 5]


def error(classes, truth, guess, labels):
    if classes:
        return metrics.log_loss(truth, guess, labels=labels)
    return metrics.root_mean_squared_error(truth, guess)


def library(name, classes, x, y, train, test, labels):
    if name == "lightgbm":
        make = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        model = make(verbosity=-1)
    else:
        make = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
        model = make(tree_method="hist", enable_categorical=True)
    codes = y.map({label: code for code, label in enumerate(labels)}) if classes else y
    model.fit(x.iloc[train], codes.iloc[train])
    return model.predict_proba(x.iloc[test]) if classes else model.predict(x.iloc[test])


def load(connection, name, table):
    def kind(column):
        return "double precision" if pd.api.types.is_numeric_dtype(column) else "text"

    connection.execute(f"DROP TABLE IF EXISTS {name}")
    columns = ", ".join(f'"{column}" {kind(table[column])}' for column in table.columns)
    connection.execute(f"CREATE TABLE {name} (row_number bigint, {columns})")
    with connection.cursor().copy(f"COPY {name} FROM STDIN WITH (FORMAT csv)") as copy:
        copy.write(table.to_csv(index=True, header=False))


def tarn(connection, name, classes, test, labels):
    connection.execute(
        f"CREATE OR REPLACE MODEL bench TARGET y EXCLUDE (row_number)"
        f" WITH (task = '{'classification' if classes else 'regression'}') AS {name} TABLE train"
    )
    if classes:
        calls = ", ".join(f"predict_proba('bench', '{label}', t.*)" for label in labels)
    else:
        calls = "predict('bench', t.*)"
    rows = connection.execute(f"SELECT row_number, {calls} FROM test t").fetchall()
    by_row = {row[0]: row[1:] for row in rows}
    guess = np.array([by_row[int(row)] for row in test], dtype=float)
    return guess if classes else guess[:, 0]


def compare(connection, folder, file, target, threshold):
    """Mean errors by library: (the library's, Tarn's)."""
    x, y, classes = read(folder, file, target, threshold)
    errors = {"lightgbm": [], "xgboost": []}
    for train, test in splits(len(y)):
        # A class that the training rows do not have cannot be predicted by anyone.
        labels = sorted(set(y.iloc[train])) if classes else []
        test = test[y.iloc[test].isin(labels)] if classes else test
        load(connection, "train", x.iloc[train].assign(y=y.iloc[train]))
        load(connection, "test", x.iloc[test])
        truth = y.iloc[test]
        for name, pairs in errors.items():
            theirs = error(classes, truth, library(name, classes, x, y, train, test, labels), labels)
            ours = error(classes, truth, tarn(connection, name, classes, test, labels), labels)
            pairs.append((theirs, ours))
    return {name: np.mean(pairs, axis=0) for name, pairs in errors.items()}


def main():
    options = arguments(__doc__, ("--data", None, "folder of the CSV files"), ("--only", "", "a part of the tables' names"))
    good = {"lightgbm": 0, "xgboost": 0}
    for file, target, threshold in TABLES:
        if options.only not in file:
            continue
        with Tarn(options.tarn) as server, server.connect() as connection:
            for name, (theirs, ours) in compare(connection, pathlib.Path(options.data), file, target, threshold).items():
                within = ours <= theirs * TOLERANCE
                good[name] += within
                print(f"{file:>22} {name:>9} {theirs:.5f}, tarn {ours:.5f}, ratio {ours / theirs:.4f}{'' if within else ' BEHIND'}", flush=True)
    print(", ".join(f"{name}: {count} tables within 1 %" for name, count in good.items()))
    sys.exit(0 if options.only or min(good.values()) >= TABLES_MIN else 1)


main()
