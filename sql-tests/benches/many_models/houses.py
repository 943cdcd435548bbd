"""The tables of the many_models workload: house sales by region, as they are and as a thousand regions of Zipf sizes."""

import numpy
import pandas

NUMBERS = [
    "bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors", "waterfront", "view", "sqft_above", "sqft_basement",
    "yr_built", "yr_renovated", "lat", "long", "sqft_living15", "sqft_lot15",
]  # fmt: skip
LABELS = ["condition", "grade"]
HELD_SHARE = 0.2


def finished(frame, draw):
    frame = frame.sample(frac=1.0, random_state=7).reset_index(drop=True)
    frame.insert(0, "id", numpy.arange(len(frame)))
    frame["held"] = draw.random(len(frame)) < HELD_SHARE
    return frame


def by_zipcode(path):
    """The sales, 70 zip codes as regions."""
    sales = pandas.read_csv(path).rename(columns={"zipcode": "region"})
    sales["region"] = "z" + sales["region"].astype(str)
    for name in LABELS:
        sales[name] = name[0] + sales[name].astype(str)
    return finished(sales[["region", "price", *NUMBERS, *LABELS]], numpy.random.default_rng(7))


def by_zipf(path, groups):
    """Sales drawn again for `groups` regions of Zipf sizes, each with a price level of its own, 15 % of the cells empty."""
    draw = numpy.random.default_rng(11)
    sales = by_zipcode(path).drop(columns=["id", "held"])
    sizes = numpy.maximum(30, (20 * len(sales) / numpy.arange(1, groups + 1) ** 0.7 / groups)).astype(int)
    region = numpy.repeat(numpy.arange(groups), sizes)
    drawn = sales.iloc[draw.integers(0, len(sales), len(region))].reset_index(drop=True)
    level = numpy.exp(0.4 * draw.standard_normal(groups))[region]
    drawn["region"] = [f"r{number}" for number in region]
    drawn["price"] = (drawn["price"] * level * numpy.exp(0.05 * draw.standard_normal(len(drawn)))).round(2)
    for name in [*NUMBERS, *LABELS]:
        drawn.loc[draw.random(len(drawn)) < 0.15, name] = None
    return finished(drawn, draw)


def arrivals(frame, share=0.05):
    """New sales in a share of the regions: a tenth of each one's rows once more, at prices 3 % higher."""
    draw = numpy.random.default_rng(13)
    regions = frame["region"].unique()
    changed = draw.choice(regions, max(1, int(share * len(regions))), replace=False)
    new = frame[frame["region"].isin(changed)].groupby("region").sample(frac=0.1, random_state=13).copy()
    new["price"] = (new["price"] * 1.03).round(2)
    new["id"] = numpy.arange(len(frame), len(frame) + len(new))
    return new, sorted(changed)
