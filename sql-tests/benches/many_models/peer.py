"""The many-models pattern as it is practised: Spark's applyInPandas, a Hyperopt search of XGBoost for each region with early
stopping, one MLflow model that holds them all, and every row scored. Prints one JSON object.

    python peer.py FOLDER JOBS EVALUATIONS
"""

import json
import os
import pathlib
import pickle
import sys
import time

import numpy
import pandas

FEATURES = None


def encoded(frame):
    from houses import LABELS, NUMBERS

    columns = frame[[*NUMBERS, *LABELS]].copy()
    for name in NUMBERS:
        columns[name] = pandas.to_numeric(columns[name])
    for name in LABELS:
        columns[name] = columns[name].astype("category")
    return columns


def fit(frame, evaluations):
    """The best XGBoost of a region by Tree-structured Parzen Estimators, refitted on all its rows."""
    import hyperopt
    import xgboost

    columns, label = encoded(frame), numpy.log1p(frame["price"].to_numpy())
    draw = numpy.random.default_rng(0).random(len(frame)) < 0.25
    if draw.sum() < 3 or (~draw).sum() < 3:
        draw = numpy.arange(len(frame)) % 4 == 0
    learn = xgboost.DMatrix(columns[~draw], label[~draw], enable_categorical=True, nthread=1)
    watch = xgboost.DMatrix(columns[draw], label[draw], enable_categorical=True, nthread=1)

    def settings(point):
        return dict(
            max_depth=int(point["max_depth"]), eta=point["eta"], min_child_weight=point["min_child_weight"],
            subsample=point["subsample"], colsample_bytree=point["colsample_bytree"], tree_method="hist", nthread=1,
        )  # fmt: skip

    def loss(point):
        booster = xgboost.train(
            settings(point), learn, 500, evals=[(watch, "watch")], early_stopping_rounds=20, verbose_eval=False
        )
        return {"loss": booster.best_score, "status": hyperopt.STATUS_OK, "rounds": booster.best_iteration + 1}

    space = {
        "max_depth": hyperopt.hp.quniform("max_depth", 2, 8, 1),
        "eta": hyperopt.hp.loguniform("eta", numpy.log(0.02), numpy.log(0.3)),
        "min_child_weight": hyperopt.hp.loguniform("min_child_weight", 0, numpy.log(20)),
        "subsample": hyperopt.hp.uniform("subsample", 0.6, 1.0),
        "colsample_bytree": hyperopt.hp.uniform("colsample_bytree", 0.5, 1.0),
    }
    trials = hyperopt.Trials()
    best = hyperopt.fmin(
        loss, space, hyperopt.tpe.suggest, evaluations, trials=trials, rstate=numpy.random.default_rng(0),
        show_progressbar=False, verbose=False,
    )  # fmt: skip
    whole = xgboost.DMatrix(columns, label, enable_categorical=True, nthread=1)
    return xgboost.train(settings(best), whole, trials.best_trial["result"]["rounds"]), list(columns.columns)


def main():
    folder, jobs, evaluations = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    here = str(pathlib.Path(__file__).resolve().parent)
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable

    session = (
        SparkSession.builder.master(f"local[{jobs}]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.shuffle.partitions", str(jobs * 8))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")

    def train(frame):
        sys.path.insert(0, here)
        from peer import fit

        booster, _ = fit(frame, evaluations)
        model = pickle.dumps((booster.save_raw(), {n: list(c.cat.categories) for n, c in categories(frame).items()}))
        return pandas.DataFrame({"region": [frame["region"].iloc[0]], "model": [model]})

    def categories(frame):
        from peer import encoded

        return {name: column for name, column in encoded(frame).items() if column.dtype == "category"}

    def score(frame):
        sys.path.insert(0, here)
        import xgboost
        from peer import encoded

        raw, levels = pickle.loads(models[frame["region"].iloc[0]])
        booster = xgboost.Booster()
        booster.load_model(bytearray(raw))
        columns = encoded(frame)
        for name, known in levels.items():
            columns[name] = pandas.Categorical(columns[name], categories=known)
        rows = xgboost.DMatrix(columns, enable_categorical=True, nthread=1)
        return pandas.DataFrame({"id": frame["id"], "estimate": numpy.expm1(booster.predict(rows))})

    def run(rows, wanted):
        models = rows.filter("NOT held").filter(wanted).groupBy("region").applyInPandas(train, "region string, model binary")
        return {row["region"]: bytes(row["model"]) for row in models.collect()}

    def save(models):
        import mlflow

        class PerRegion(mlflow.pyfunc.PythonModel):
            def __init__(self, models):
                self.models = models

            def predict(self, context, model_input, params=None):
                return None

        target = folder / f"mlflow-{time.monotonic_ns()}"
        mlflow.pyfunc.save_model(str(target), python_model=PerRegion(models))

    def score_all(rows):
        estimates = rows.groupBy("region").applyInPandas(score, "id long, estimate double")
        estimates.write.mode("overwrite").parquet(str(folder / "peer-scored"))

    rows = session.read.csv(str(folder / "houses.csv"), header=True, inferSchema=True)
    rows.filter("id < 64").groupBy("region").applyInPandas(lambda frame: frame[["id"]].head(1), "id long").collect()  # warm
    started = time.perf_counter()
    rows = session.read.csv(str(folder / "houses.csv"), header=True, inferSchema=True)
    models = run(rows, "true")
    save(models)
    score_all(rows)
    seconds = time.perf_counter() - started
    scored = pandas.read_parquet(folder / "peer-scored").merge(pandas.read_csv(folder / "houses.csv"), on="id")
    held = scored[scored["held"]]
    error = float(((held["estimate"] - held["price"]).abs() / held["price"]).median())
    changed = json.loads((folder / "changed.json").read_text())
    started = time.perf_counter()
    new = session.read.csv(str(folder / "arrivals.csv"), header=True, schema=rows.schema)
    together = rows.unionByName(new)
    models = {**models, **run(together, f"region IN ({', '.join(repr(name) for name in changed)})")}
    save(models)
    score_all(together)
    refresh = time.perf_counter() - started
    session.stop()
    print(json.dumps({"seconds": seconds, "error": error, "refresh": refresh, "models": len(models)}))


if __name__ == "__main__":
    main()
