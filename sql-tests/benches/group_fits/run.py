"""How long does a model of each of 1,000 groups take, from a table to committed models?

    python sql-tests/benches/group_fits/run.py --tarn target/release/tarn [--groups 1000] [--peers joblib,spark]

Tarn and its peers fit the same rows with the same settings (100 trees, 31 leaves, learning rate 0.1, 63 bins) on the same
cores. Tarn reads a Delta table and commits its models to another; the peers read a Parquet file and write a pickle or a
Parquet file of models. Python and Spark are started and warmed up before their clocks run. The last third of each group's
rows is held out for the error: the mean over groups of the RMSE on rows that no model has seen. Bounds: 8 times as fast as
joblib with LightGBM, 25 times as joblib with XGBoost, 10 times as Spark, at an error at most 1 % above theirs.
"""

import os
import pathlib
import pickle
import sys
import tempfile
import time

import numpy
import pandas

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows import COLUMNS, table  # noqa: E402
from tarn_process import Tarn, arguments  # noqa: E402

ROUNDS, LEAVES, RATE, BINS = 100, 31, 0.1, 63
# How many times as fast Tarn has to be, and how many times a peer's error its own may be.
SPEED_MIN = {"lightgbm": 8, "xgboost": 25, "spark": 10}
ERROR_MAX = 1.01


def lightgbm_fit(group, frame):
    import lightgbm

    settings = dict(objective="regression", num_leaves=LEAVES, learning_rate=RATE, max_bin=BINS, num_threads=1, verbose=-1)
    data = lightgbm.Dataset(frame[COLUMNS].to_numpy(), frame["y"].to_numpy(), params=settings)
    return group, lightgbm.train(settings, data, num_boost_round=ROUNDS).model_to_string()


def xgboost_fit(group, frame):
    import xgboost

    data = xgboost.QuantileDMatrix(frame[COLUMNS].to_numpy(), frame["y"].to_numpy(), max_bin=BINS + 1, nthread=1)
    settings = dict(
        tree_method="hist", grow_policy="lossguide", max_leaves=LEAVES, max_depth=0, eta=RATE, max_bin=BINS + 1, nthread=1
    )
    return group, bytes(xgboost.train(settings, data, num_boost_round=ROUNDS).save_raw())


def scores(name, models, held):
    """RMSE per group of a peer's models, in the mean."""
    errors = []
    for group, frame in held.groupby("g"):
        model = models[group]
        if name == "lightgbm":
            import lightgbm

            guess = lightgbm.Booster(model_str=model).predict(frame[COLUMNS].to_numpy(), num_threads=1)
        else:
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(bytearray(model))
            guess = booster.inplace_predict(frame[COLUMNS].to_numpy())
        errors.append(numpy.sqrt(numpy.mean((guess - frame["y"]) ** 2)))
    return float(numpy.mean(errors))


def joblib_run(name, fit, path, held, jobs, folder):
    import joblib

    with joblib.Parallel(n_jobs=jobs) as pool:
        # Workers import their libraries before the clock runs.
        warm = pandas.read_parquet(path).head(200).assign(g=0)
        pool(joblib.delayed(fit)(0, warm) for _ in range(jobs))
        started = time.perf_counter()
        frame = pandas.read_parquet(path)
        models = dict(pool(joblib.delayed(fit)(group, part) for group, part in frame.groupby("g")))
        with open(folder / f"{name}.pickle", "wb") as file:
            pickle.dump(models, file)
        seconds = time.perf_counter() - started
    return seconds, scores(name, models, held)


def spark_run(path, held, jobs, folder):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable

    session = (
        SparkSession.builder.master(f"local[{jobs}]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", str(jobs * 4))
        .config("spark.driver.memory", "4g")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")

    def fit(frame):
        group, model = lightgbm_fit(int(frame["g"].iloc[0]), frame)
        return pandas.DataFrame({"g": [group], "model": [model]})

    def train(rows):
        models = rows.groupBy("g").applyInPandas(fit, "g long, model string")
        models.write.mode("overwrite").parquet(str(folder / "spark-models"))

    train(session.read.parquet(str(path)).filter("g < 8"))  # workers start and import
    started = time.perf_counter()
    train(session.read.parquet(str(path)))
    seconds = time.perf_counter() - started
    models = pandas.read_parquet(folder / "spark-models")
    session.stop()
    return seconds, scores("lightgbm", dict(zip(models["g"], models["model"])), held)


def main():
    options = arguments(
        __doc__,
        ("--groups", 1000, "groups"),
        ("--rows", 500, "rows of a group to learn from"),
        ("--jobs", 2, "cores"),
        ("--runs", 3, "runs of Tarn, of which the median counts"),
        ("--peers", "lightgbm,xgboost,spark", "peers to run"),
    )
    peers = [peer for peer in options.peers.split(",") if peer]
    if unknown := set(peers) - SPEED_MIN.keys():
        sys.exit(f"unknown peers: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder, Tarn(options.tarn, f"--files-root={folder}") as server:
        folder = pathlib.Path(folder)
        whole = table(options.groups, options.rows + options.rows // 2)
        place = whole.groupby("g").cumcount()
        train, held = whole[place < options.rows], whole[place >= options.rows]
        train.to_parquet(folder / "train.parquet")
        held.to_parquet(folder / "held.parquet")
        with server.connect() as connection:
            for name in ("train", "held"):
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{folder}/{name}.parquet')")
            learner = f"rounds => {ROUNDS}, max_leaves => {LEAVES}, learning_rate => {RATE}, max_bins => {BINS}"
            columns = ", ".join(COLUMNS)
            times = []
            for run in range(options.runs):
                started = time.perf_counter()
                connection.execute(
                    f"CREATE TABLE models_{run} AS SELECT g, train_trees(y, {columns}, {learner}) AS model FROM train GROUP BY g"
                )
                times.append(time.perf_counter() - started)
            own = float(numpy.median(times))
            own_error = connection.execute(
                "SELECT avg(rmse) FROM (SELECT sqrt(avg((predict(m.model, h.*) - h.y) ^ 2)) AS rmse"
                " FROM held h JOIN models_0 m USING (g) GROUP BY g) q"
            ).fetchone()[0]
            started = time.perf_counter()
            connection.execute(
                f"CREATE MODEL per_group TARGET y PARTITION BY (g) AS trees ({learner.replace('=>', '=')}) SELECT * FROM train"
            )
            created = time.perf_counter() - started
        report("Tarn, CREATE TABLE AS SELECT train_trees", options.groups, own, own, own_error)
        print(f"Tarn, CREATE MODEL PARTITION BY (with its report, parent and artefact): {created:.2f} s", flush=True)
        kept = True
        for peer in peers:
            if peer == "spark":
                seconds, error = spark_run(folder / "train.parquet", held, options.jobs, folder)
            else:
                fit = lightgbm_fit if peer == "lightgbm" else xgboost_fit
                seconds, error = joblib_run(peer, fit, folder / "train.parquet", held, options.jobs, folder)
            kept &= seconds >= SPEED_MIN[peer] * own and own_error <= ERROR_MAX * error
            report({"spark": "Spark applyInPandas + LightGBM"}.get(peer, f"joblib + {peer}"), options.groups, seconds, own, error)
    sys.exit(0 if kept else 1)


def report(name, groups, seconds, own, error):
    print(f"{name}: {seconds:.2f} s, {groups / seconds:.0f} models/s, {seconds / own:.1f} times Tarn's, held-out RMSE {error:.4f}", flush=True)


main()
