"""The rows of the group_fits workload: groups of 500 rows by 20 numbers, a label with curves and noise."""

import numpy
import pandas

COLUMNS = [f"x{place}" for place in range(1, 21)]


def table(groups, rows, seed=7, columns=20):
    """A frame with a group `g`, `columns` features and a label `y`; groups differ in their coefficients."""
    draw = numpy.random.default_rng(seed)
    count = groups * rows
    features = draw.standard_normal((count, columns)).astype(numpy.float32)
    group = numpy.repeat(numpy.arange(groups), rows)
    weight = draw.standard_normal((groups, 4)).astype(numpy.float32)[group]
    label = (
        weight[:, 0] * features[:, 0]
        + weight[:, 1] * numpy.sin(2 * features[:, 1])
        + weight[:, 2] * features[:, 2] * features[:, 3 % columns]
        + numpy.where(features[:, 4 % columns] > 0, weight[:, 3], 0)
        + 0.3 * draw.standard_normal(count).astype(numpy.float32)
    )
    frame = pandas.DataFrame(features, columns=[f"x{place}" for place in range(1, columns + 1)])
    frame.insert(0, "g", group)
    frame["y"] = label.astype(numpy.float64)
    # Groups do not lie together in real tables.
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)
