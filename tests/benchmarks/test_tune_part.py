"""The comparison of tuned params on unseen data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap, ttest_rel
from sklearn.metrics import roc_auc_score

from benchmarks.tune import _study, public
from benchmarks.tune._study import Case, Outcome, Unseen, interval


def case(measure=lambda rows: float(np.mean(rows))) -> Case:
    return Case("x", Path(), "t", "m", "min", "", measure, lambda _: Unseen(np.zeros(1)), {})


def outcome(rows: np.ndarray) -> Outcome:
    return Outcome(0.0, 1, Unseen(rows))


def numbers(text: str) -> list[float]:
    return [float(part.strip("[],")) for part in text.split()]


def test_the_interval_over_rows_is_the_paired_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_study, "DRAWS", 2000)
    rng = np.random.default_rng(0)
    worse = rng.normal(size=300)
    better = worse - 0.2 + 0.1 * rng.normal(size=300)
    value, low, high = numbers(interval(case(), [outcome(worse)], [outcome(better)]))
    oracle = bootstrap((worse - better,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert value == pytest.approx(np.mean(worse - better), abs=1e-4)
    assert (low, high) == pytest.approx(tuple(oracle.confidence_interval), abs=0.002)
    assert numbers(interval(case(), [outcome(worse)], [outcome(worse)])) == [0, 0, 0]


def test_the_interval_over_few_trainings_is_that_of_student() -> None:
    rng = np.random.default_rng(0)
    worse, better = rng.normal(size=(2, 5))
    found = numbers(interval(case(), [outcome(worse)], [outcome(better)]))
    oracle = ttest_rel(worse, better).confidence_interval()
    assert found == pytest.approx([np.mean(worse - better), oracle.low, oracle.high], rel=1e-3)


def test_several_searches_are_averaged_on_the_same_rows() -> None:
    rows = np.linspace(0, 1, 5)
    searches = [outcome(rows - 0.1), outcome(rows - 0.3)]
    assert numbers(interval(case(), [outcome(rows)] * 2, searches)) == pytest.approx([0.2, 0.2, 0.2])


def test_the_area_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.integers(2, size=80), rng.integers(6, size=80)  # with ties
    area = public._one_minus_area(np.column_stack([truth, score]))
    assert area == pytest.approx(1 - roc_auc_score(truth, score))


def test_held_out_rows_leave_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,label,a,b,\n" + "".join(f"{k},{'MB'[k % 2]},{k},{k}.5\n" for k in range(30)))
    held = public._hold_out(path, label="label", drop="id")
    left = path.read_text().splitlines()[1:]
    assert held.shape == (10, 4) and len(left) == 20
    rows = {int(row[0]) for row in held}
    assert rows | {int(line.split(",")[2]) for line in left} == set(range(30))
    assert [row[-1] for row in held] == [float(row[0] % 2 == 0) for row in held]
    assert np.isnan(held[:, 2]).all(), "the column without a name is empty"


def test_a_missing_repository_is_an_omission(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATEWRIGHT_DATA", str(tmp_path))
    reasons = [part.reason for part in public.tables(1)]  # type: ignore[union-attr]
    assert len(reasons) == 2 and all("git clone https://github.com/" in reason for reason in reasons)
