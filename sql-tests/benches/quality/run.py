"""Is a CREATE MODEL of 60 seconds at least as good as the defaults that people use?

    python sql-tests/benches/quality/run.py --data DIR --tarn target/release/tarn

DIR holds wine_quality.csv, adult_train.csv, adult_test.csv and california_housing.csv (header, empty =
NULL). Each table is split five times, 80 : 20; on the same splits train LightGBM's and
HistGradientBoosting's defaults here and Tarn over the wire. Needs requirements.txt.
The exit status is 1 if a mean of Tarn is below the better of the two.
"""

import json
import pathlib
import sys
import time

import lightgbm
import numpy as np
import pandas as pd
from sklearn import ensemble, metrics

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tarn_process import Tarn, arguments  # noqa: E402

SPLITS = 5


def wine(folder):
    table = pd.read_csv(folder / "wine_quality.csv")
    table["y"] = table.pop("quality") >= 7
    return table


def adult(folder):
    table = pd.concat([pd.read_csv(folder / f"adult_{part}.csv") for part in ("train", "test")], ignore_index=True)
    table["y"] = table.pop("income").str.startswith(">50K")
    return table


def california(folder):
    table = pd.read_csv(folder / "california_housing.csv")
    table.columns = [name.removeprefix("b'") for name in table.columns]
    table["y"] = table.pop("median_house_value").astype(float)
    return table


# Name, reader, whether it is a classification.
TASKS = [("wine", wine, True), ("adult", adult, True), ("california", california, False)]


def score(classification, truth, guess):
    """ROC AUC, or RMSE."""
    if classification:
        return float(metrics.roc_auc_score(truth, guess))
    return float(np.sqrt(np.mean((truth - guess) ** 2)))


def sklearn_frame(table):
    frame = table.drop(columns="y")
    for name in frame.columns:
        if frame[name].dtype == object:
            frame[name] = frame[name].astype("category")
    return frame


def baseline(kind, classification, seed, table, train, test):
    frame = sklearn_frame(table)
    if kind == "lightgbm":
        make = lightgbm.LGBMClassifier if classification else lightgbm.LGBMRegressor
        model = make(random_state=seed, verbose=-1)
    else:
        make = ensemble.HistGradientBoostingClassifier if classification else ensemble.HistGradientBoostingRegressor
        model = make(random_state=seed, categorical_features="from_dtype")
    model.fit(frame.iloc[train], table["y"].iloc[train])
    if classification:
        return model.predict_proba(frame.iloc[test])[:, 1]
    return model.predict(frame.iloc[test])


def sql_type(column):
    if column.dtype == bool:
        return "boolean"
    if column.dtype == object:
        return "text"
    return "bigint" if pd.api.types.is_integer_dtype(column) else "double precision"


def load(connection, name, table):
    columns = ", ".join(f'"{column}" {sql_type(table[column])}' for column in table.columns)
    connection.execute(f"CREATE TABLE {name} (row_number bigint, {columns})")
    with connection.cursor().copy(f"COPY {name} FROM STDIN WITH (FORMAT csv)") as copy:
        copy.write(table.to_csv(index=True, header=False))


def tarn(connection, classification, seed, seconds, table, train, test):
    for name in ("train", "test"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    load(connection, "train", table.iloc[train])
    load(connection, "test", table.iloc[test])
    started = time.monotonic()
    connection.execute(
        f"CREATE OR REPLACE MODEL bench TARGET y EXCLUDE (row_number)"
        f" WITH (timeout = '{seconds} s', seed = {seed}) AS AUTOML TABLE train"
    )
    took = time.monotonic() - started
    function = "predict_proba" if classification else "predict"
    rows = connection.execute(f"SELECT row_number, {function}('bench', t.*) FROM test t").fetchall()
    by_row = dict(rows)
    return np.array([by_row[int(row)] for row in table.index[test]]), took


def main():
    options = arguments(
        __doc__, ("--data", None, "folder of the CSV files"), ("--seconds", 60, "time of each CREATE MODEL"),
        ("--only", "", "one of wine, adult, california"), ("--out", "", "JSON file for the figures"),
    )
    figures, behind = {}, []
    with Tarn(options.tarn) as server, server.connect() as connection:
        for task, read, classification in TASKS:
            if options.only not in ("", task):
                continue
            table = read(pathlib.Path(options.data))
            scores = {"lightgbm": [], "hist_gradient_boosting": [], "tarn": []}
            for split in range(SPLITS):
                order = np.random.default_rng(split).permutation(len(table))
                test, train = order[: len(table) // 5], order[len(table) // 5 :]
                truth = table["y"].to_numpy()[test]
                for kind in ("lightgbm", "hist_gradient_boosting"):
                    guess = baseline(kind, classification, split, table, train, test)
                    scores[kind].append(score(classification, truth, guess))
                guess, took = tarn(connection, classification, split, options.seconds, table, train, test)
                scores["tarn"].append(score(classification, truth, guess))
                shown = ", ".join(f"{kind} {values[-1]:.5g}" for kind, values in scores.items())
                print(f"{task} split {split}: {shown} (trained {took:.0f} s)", flush=True)
            means = {kind: float(np.mean(values)) for kind, values in scores.items()}
            best = (max if classification else min)(means["lightgbm"], means["hist_gradient_boosting"])
            good = means["tarn"] >= best if classification else means["tarn"] <= best
            behind += [] if good else [task]
            figures[task] = {"metric": "auc" if classification else "rmse", "mean": means, "splits": scores}
            print(f"{task} mean: " + ", ".join(f"{kind} {mean:.5g}" for kind, mean in means.items()), flush=True)
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(figures, indent=2) + "\n")
    print("behind the defaults: " + (", ".join(behind) or "none"))
    sys.exit(1 if behind else 0)


main()
