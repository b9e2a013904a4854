import numpy as np
import pandas as pd
import statsmodels.api as sm
from test_panel import make

from methods.temporal.baselines import (
    autoregression,
    gradient_boosting,
    history_summary,
    last_value,
    unit_mean,
)
from methods.temporal.panel import Panel, position


def frame(panel: Panel) -> pd.DataFrame:
    return pd.DataFrame({"unit": panel.unit, "y": panel.mean[:, 0], "n": panel.count})


def test_last_value_and_mean_equal_pandas():
    panel = make(3)
    table = frame(panel)
    groups = table.assign(s=table["y"] * table["n"]).groupby("unit")
    np.testing.assert_array_equal(last_value(panel)[:, 0], groups["y"].shift(1))
    mean = groups["s"].transform(lambda v: v.cumsum().shift(1)) / groups["n"].transform(
        lambda v: v.cumsum().shift(1)
    )
    np.testing.assert_allclose(unit_mean(panel)[:, 0], mean, atol=1e-12)


def test_autoregression_equals_statsmodels():
    panel = make(4)
    learn = (position(panel.unit) >= 2) & (panel.block < 1985)
    x = np.column_stack([last_value(panel)[:, 0], unit_mean(panel)[:, 0]])
    for mean, columns in ((False, x[:, :1]), (True, x)):
        model = sm.OLS(panel.mean[learn, 0], sm.add_constant(columns[learn])).fit()
        seen = position(panel.unit) >= 1
        np.testing.assert_allclose(
            autoregression(panel, learn, mean=mean)[seen, 0],
            model.predict(sm.add_constant(columns[seen], has_constant="add")),
            atol=1e-9,
        )


def test_boosting_reads_only_the_past():
    panel = make(5, rows=200)
    learn = (position(panel.unit) >= 2) & (panel.block < 1975)
    late = panel.block >= 1982
    changed = Panel(**{**vars(panel), "mean": panel.mean + 30 * late[:, None]})
    early = panel.block <= 1982
    first = history_summary(panel)
    last = history_summary(changed)
    keys = list(zip(panel.unit, panel.block, strict=True))
    same_year = np.array([keys.count(key) > 1 for key in keys])
    np.testing.assert_array_equal(first[early & ~same_year], last[early & ~same_year])
    a, b = (gradient_boosting(part, learn, [0], 0) for part in (panel, changed))
    np.testing.assert_array_equal(a[early & ~same_year], b[early & ~same_year])
