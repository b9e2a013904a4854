"""Models of the present modalities, where a row lacks one."""

from __future__ import annotations

import numpy as np
import pytest

from methods.fusion.columns import fit_boosting
from methods.fusion.operators import Settings, fit
from methods.fusion.reduced import fit_reduced
from methods.fusion.views import Fitted, Floats, Ints, Problem, Views, rows_of, take, without

BINARY = Problem("classification", 2)


def views_of(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return three modalities, of which the first two give the class."""
    rng = np.random.default_rng(seed)
    views = {name: rng.normal(size=(rows, 2)) for name in ("a", "b", "c")}
    return views, (views["a"][:, 0] + views["b"][:, 0] > 0).astype(float)


def test_a_lost_modality_leaves_the_model_that_never_had_it() -> None:
    views, y = views_of(200, 0)
    later = views_of(50, 1)[0]
    some = {name: later[name].copy() for name in later}
    some["a"][:10] = np.nan
    some["c"][5:20] = np.nan
    predicted = fit("boosting", views, y, BINARY, Settings()).predict(some)
    lost = {range(5): "a", range(5, 10): "ac", range(10, 20): "c", range(20, 50): ""}
    for rows, absent in lost.items():
        kept = {name: x for name, x in views.items() if name not in absent}
        oracle = fit_boosting(kept, y, BINARY, 0)
        expected = oracle.predict({name: later[name][list(rows)] for name in kept})
        np.testing.assert_array_equal(predicted[list(rows)], expected)


def test_a_copy_replaces_a_lost_modality_in_a_reduced_model_only() -> None:
    views, y = views_of(400, 2)
    later, truth = views_of(1000, 3)
    noise = np.random.default_rng(4)
    for part in (views, later):  # the trees of all modalities split the cleaner copy
        part["c"] = np.hstack([part["a"] + 0.2 * noise.normal(size=part["a"].shape), part["b"]])
    lost = without(later, ["a", "b"])
    full, reduced = fit_boosting(views, y, BINARY, 0), fit("boosting", views, y, BINARY, Settings())
    scores = [float((f.predict(lost).argmax(axis=1) == truth).mean()) for f in (full, reduced)]
    assert scores[1] > scores[0] + 0.1


def test_only_the_rows_that_have_the_modalities_train_a_reduced_model() -> None:
    views, y = views_of(100, 4)
    views["a"][:60] = np.nan
    views["b"][50:60] = np.nan
    views["c"][58:60] = np.nan
    calls: list[tuple[tuple[str, ...], Ints]] = []

    def fit_mean(part: Views, rows: Ints) -> Fitted:
        assert rows_of(part) == len(rows)
        calls.append((tuple(part), rows))
        mean = float(y[rows].mean())
        return Fitted("mean", lambda later: np.full(rows_of(later), mean))

    model = fit_reduced(fit_mean, views, Fitted("nothing", lambda later: np.full(rows_of(later), -1.0)))
    later = take(views_of(6, 5)[0], slice(0, 6))
    predicted: Floats = model.predict(without(later, ["a"]))  # half of the rows train with this loss
    assert predicted == pytest.approx(np.full(6, y.mean()))
    assert model.predict(without(later, ["b", "c"])) == pytest.approx(np.full(6, y[60:].mean()))
    assert model.predict(without(later, ["a", "b", "c"])) == pytest.approx(np.full(6, -1.0))
    model.predict(without(later, ["b", "c"]))
    assert [names for names, _ in calls] == [("a", "b", "c"), ("a",)]
    np.testing.assert_array_equal(calls[1][1], np.arange(60, 100))
