"""LightGBM, XGBoost and ONNX Runtime with the very trees that `scoring --export DIR` wrote: python scoring.py DIR.

Needs numpy, lightgbm, xgboost, onnx and onnxruntime. Each peer's scores are held against ours before it is timed.
"""

import json
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime
import xgboost as xgb
from onnx import TensorProto, helper

NAMES = ["depth6_c12", "depth6_c20", "leaves31_c20", "leaves63_c20"]
REPEATS = 7


def read(path):
    """Columns, base score and trees; a node is a leaf value or (column, cut, missing, yes, no)."""
    trees, columns, base = [], 0, 0.0
    for line in open(path):
        word, *rest = line.split()
        if word == "columns":
            columns = int(rest[0])
        elif word == "base":
            base = float(rest[0])
        elif word == "tree":
            trees.append([])
        elif word == "leaf":
            trees[-1].append(float(rest[0]))
        else:
            column, cut, missing, yes, no = rest
            trees[-1].append((int(column), np.float32(cut), missing == "1", int(yes), int(no)))
    return columns, base, trees


def lightgbm_model(columns, trees):
    names = " ".join(f"f{i}" for i in range(columns))
    infos = " ".join(["[-1e9:1e9]"] * columns)
    parts = [
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={columns - 1}\nobjective=regression\nfeature_names={names}\nfeature_infos={infos}\n"
    ]
    for number, nodes in enumerate(trees):
        splits = [i for i, node in enumerate(nodes) if isinstance(node, tuple)]
        leaves = [i for i, node in enumerate(nodes) if not isinstance(node, tuple)]
        place = {node: i for i, node in enumerate(splits)} | {node: ~i for i, node in enumerate(leaves)}

        def join(values):
            return " ".join(str(value) for value in values)

        zeros, leaf_zeros = join([0] * len(splits)), join([0] * len(leaves))
        parts.append(
            f"\nTree={number}\nnum_leaves={len(leaves)}\nnum_cat=0\n"
            f"split_feature={join(nodes[i][0] for i in splits)}\nsplit_gain={zeros}\n"
            f"threshold={join(repr(float(nodes[i][1])) for i in splits)}\n"
            # Bit 1 sends missing values left; bits 2 and 3 say that NaN is what is missing.
            f"decision_type={join(8 + 2 * nodes[i][2] for i in splits)}\n"
            f"left_child={join(place[nodes[i][3]] for i in splits)}\n"
            f"right_child={join(place[nodes[i][4]] for i in splits)}\n"
            f"leaf_value={join(repr(nodes[i]) for i in leaves)}\nleaf_weight={leaf_zeros}\nleaf_count={leaf_zeros}\n"
            f"internal_value={zeros}\ninternal_weight={zeros}\ninternal_count={zeros}\nis_linear=0\nshrinkage=1\n\n"
        )
    parts.append("\nend of trees\n")
    return lgb.Booster(model_str="".join(parts))


def xgboost_model(columns, trees, folder):
    rng = np.random.default_rng(0)
    params = dict(nthread=1, base_score=0.0, max_depth=2)
    small = xgb.train(params, xgb.DMatrix(rng.random((50, columns)), rng.random(50)), 1)
    path = f"{folder}/xgboost.json"
    small.save_model(path)
    document = json.load(open(path))
    model = document["learner"]["gradient_booster"]["model"]
    empty = model["trees"][0]
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    model["iteration_indptr"] = list(range(len(trees) + 1))
    model["tree_info"] = [0] * len(trees)
    model["trees"] = []
    for number, nodes in enumerate(trees):
        count = len(nodes)
        parents = [2147483647] * count
        tree = dict(empty, id=number, base_weights=[0.0] * count, loss_changes=[0.0] * count, sum_hessian=[1.0] * count)
        tree["tree_param"] = dict(empty["tree_param"], num_nodes=str(count))
        left, right, conditions, indices, default = [], [], [], [], []
        for position, node in enumerate(nodes):
            if isinstance(node, tuple):
                column, cut, missing, yes, no = node
                parents[yes] = parents[no] = position
                # XGBoost goes left below the condition, we at or below the cut.
                above = float(np.nextafter(cut, np.float32(np.inf)))
                values = (yes, no, above, column, int(missing))
            else:
                values = (-1, -1, node, 0, 0)
            for items, value in zip((left, right, conditions, indices, default), values):
                items.append(value)
        tree.update(left_children=left, right_children=right, split_conditions=conditions, split_indices=indices)
        tree.update(default_left=default, parents=parents, split_type=[0] * count)
        model["trees"].append(tree)
    json.dump(document, open(path, "w"))
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(path)
    booster.set_param({"nthread": 1})
    return booster


def onnx_session(columns, base, trees):
    fields = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, nodes in enumerate(trees):
        for position, node in enumerate(nodes):
            split = isinstance(node, tuple)
            column, cut, missing, yes, no = node if split else (0, 0.0, False, 0, 0)
            values = (number, position, column, float(cut), "BRANCH_LEQ" if split else "LEAF", yes, no, int(missing))
            for items, value in zip(fields.values(), values):
                items.append(value)
            if not split:
                for items, value in zip(leaves.values(), (number, position, 0, node)):
                    items.append(value)
    attributes = {f"nodes_{name}": items for name, items in fields.items()}
    attributes |= {f"target_{name}": items for name, items in leaves.items()}
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, base_values=[base], **attributes
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, columns])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph([node], "trees", [x], [y])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(name, predict, rows, ours):
    error = float(np.max(np.abs(predict(rows).ravel() - ours)))
    scale = float(np.max(np.abs(ours)))
    if not error <= 1e-5 * scale:
        sys.exit(f"{name} scores these trees differently: {error} of {scale}")
    line = f"  {name:>12}:"
    for batch in (len(rows), 8_192, 100, 1):
        total = 2_000 if batch == 1 else 20_000 if batch == 100 else len(rows)
        batches = [np.ascontiguousarray(rows[at : at + batch]) for at in range(0, total - batch + 1, batch)]
        best = float("inf")
        for _ in range(REPEATS if batch != len(rows) else 3):
            started = time.perf_counter()
            for piece in batches:
                predict(piece)
            best = min(best, time.perf_counter() - started)
        count = len(batches) * batch
        line += f"  one row {best / count * 1e6:.1f} us" if batch == 1 else f"  {batch} rows {count / best / 1e6:.3f} M/s"
    print(f"{line}  (largest difference {error / scale:.1e})", flush=True)


def main(folder):
    print(f"lightgbm {lgb.__version__}, xgboost {xgb.__version__}, onnxruntime {onnxruntime.__version__}, one thread")
    for name in NAMES:
        columns, base, trees = read(f"{folder}/{name}.trees")
        rows = np.fromfile(f"{folder}/{name}.rows", dtype=np.float32).reshape(-1, columns)
        ours = np.fromfile(f"{folder}/{name}.scores", dtype=np.float64)
        print(name)
        booster = lightgbm_model(columns, trees)
        measure("lightgbm", lambda x: booster.predict(x, num_threads=1) + base, rows, ours)
        extreme = xgboost_model(columns, trees, folder)
        measure("xgboost", lambda x: extreme.inplace_predict(x) + base, rows, ours)
        session = onnx_session(columns, base, trees)
        measure("onnxruntime", lambda x: session.run(None, {"x": x})[0], rows, ours)


if __name__ == "__main__":
    main(sys.argv[1])
