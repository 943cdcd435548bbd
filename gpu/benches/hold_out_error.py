"""LightGBM's and XGBoost's defaults on the splits of `hold_out_error`: python hold_out_error.py DIR [TABLE]."""

import sys
import time

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

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
SPLITS = 5


def read(folder, file, target, threshold):
    table = pd.read_csv(f"{folder}/{file}.csv", keep_default_na=False, na_values=[""])
    table.columns = [name.removeprefix("b'") for name in table.columns]
    table = table[table[target].notna()].reset_index(drop=True)
    y = table.pop(target)
    table = table.drop(columns=["no"], errors="ignore")
    for name in table.columns[table.dtypes.map(lambda kind: not pd.api.types.is_numeric_dtype(kind))]:
        table[name] = table[name].astype("category")
    if threshold is not None:
        y = (y >= threshold).astype(int)
    elif not pd.api.types.is_numeric_dtype(y):
        y = y.astype("category").cat.codes
    else:
        return table, y.astype(float), False
    return table, y, True


def main(folder, only=None):
    for file, target, threshold in TABLES:
        if only not in (None, file):
            continue
        x, y, classes = read(folder, file, target, threshold)
        count = y.nunique()
        names = x.columns
        x.columns = [f"f{i}" for i in range(len(names))]
        for name in ("lightgbm", "xgboost"):
            scores, seconds = [], 0.0
            for split in range(SPLITS):
                held = np.arange(len(y)) % SPLITS == split
                if name == "lightgbm":
                    kind = lgb.LGBMClassifier if classes else lgb.LGBMRegressor
                    model = kind(verbosity=-1, n_jobs=1)
                else:
                    kind = xgb.XGBClassifier if classes else xgb.XGBRegressor
                    model = kind(tree_method="hist", enable_categorical=True, n_jobs=1)
                started = time.perf_counter()
                model.fit(x[~held], y[~held])
                seconds += time.perf_counter() - started
                if not classes:
                    scores.append((root_mean_squared_error(y[held], model.predict(x[held])), 0))
                    continue
                p = model.predict_proba(x[held])
                auc = roc_auc_score(y[held], p[:, 1]) if count == 2 else 0
                scores.append((log_loss(y[held], p, labels=np.arange(count)), auc))
            first, second = np.mean(scores, axis=0)
            kind = "rmse" if not classes else "log loss"
            auc = f" auc {second:.5f}" if classes and count == 2 else ""
            print(f"{file:>22} {name:>10} {kind} {first:.5f}{auc}  {seconds * 1e3 / SPLITS:8.1f} ms/fit", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
