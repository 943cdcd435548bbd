"""LightGBM and XGBoost on the tables that `one_fit [--big] --export DIR` wrote: python one_fit.py DIR [--big]."""

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb


def fastest(run, repeats):
    best = float("inf")
    busy = time.process_time()
    for _ in range(repeats):
        started = time.perf_counter()
        model = run()
        best = min(best, time.perf_counter() - started)
    busy = (time.process_time() - busy) / repeats
    return model, f"{best * 1e3:9.2f} ms (mean processor time {busy * 1e3:9.2f} ms)"


def main(folder):
    for rows in (100, 500, 2_000, 10_000):
        table = np.loadtxt(f"{folder}/w1_{rows}.csv", delimiter=",", dtype=np.float64)
        x, y = table[:, :-1].astype(np.float32), table[:, -1]
        train, held = slice(0, rows), slice(rows, None)
        repeats = 5 if rows > 2_000 else 15

        def rmse(prediction):
            return float(np.sqrt(np.mean((prediction - y[held]) ** 2)))

        for bins in (63, 255):
            params = dict(objective="regression", num_threads=1, verbosity=-1, max_bin=bins, force_col_wise=True)

            def light():
                return lgb.train(params, lgb.Dataset(x[train], y[train], params=params), 100)

            model, ms = fastest(light, repeats)
            print(f"{rows:>6} lightgbm {bins:>3} bins: {ms}, hold-out RMSE {rmse(model.predict(x[held])):.4f}")
        for bins in (64, 256):
            params = dict(tree_method="hist", max_depth=6, eta=0.1, nthread=1, max_bin=bins, verbosity=0)

            def extreme():
                return xgb.train(params, xgb.QuantileDMatrix(x[train], y[train], max_bin=bins, nthread=1), 100)

            model, ms = fastest(extreme, repeats)
            error = rmse(model.inplace_predict(x[held]))
            print(f"{rows:>6} xgboost  {bins:>3} bins: {ms}, hold-out RMSE {error:.4f}")


def big(folder):
    table = pd.read_csv(f"{folder}/big.csv", header=None, dtype=np.float32).to_numpy()
    x, y = table[:, :-1], table[:, -1]
    train, held = slice(0, 900_000), slice(900_000, None)
    params = dict(objective="regression", num_threads=1, verbosity=-1)
    model, ms = fastest(lambda: lgb.train(params, lgb.Dataset(x[train], y[train], params=params), 100), 1)
    error = float(np.sqrt(np.mean((model.predict(x[held]) - y[held]) ** 2)))
    print(f"900000 x 28 lightgbm 255 bins: {ms}, hold-out RMSE {error:.4f}")


if __name__ == "__main__":
    main(sys.argv[1])
    if "--big" in sys.argv:
        big(sys.argv[1])
