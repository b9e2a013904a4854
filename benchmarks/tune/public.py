"""Tune two public DVC repositories.

A third of their rows is removed before any search, and used for the comparison.

Both are git clones in the folder of external data, see docs/external-data.md. Their files are read there.
"""

from __future__ import annotations

import csv
import importlib.util
import random
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.parts import Omission, Tables, external_data
from benchmarks.tune._study import Case, Floats, Unseen, compare, searches, table

BUDGET = 15
HELD_OUT = 1 / 3
SEED = 0
CANCER, WINE = "lefos99+dvc-demo", "spatra94+ml-ops"
COMMITS = {
    CANCER: "52f8a5f52eb025703a1e3ea1e2f7e1da355ea3ef",
    WINE: "4ab6c41d80970521e52d09b750583056b5a76bf1",
}
CANCER_SPACE = """\
dvc_demo/params.yaml:train_model.n_estimators: {low: 1, high: 60, log: true}
dvc_demo/params.yaml:train_model.max_depth: {low: 1, high: 12}
dvc_demo/params.yaml:train_model.min_samples_split: {low: 2, high: 20}
dvc_demo/params.yaml:train_model.min_samples_leaf: {low: 1, high: 10}
dvc_demo/params.yaml:train_model.max_features: [sqrt, log2, null]
dvc_demo/params.yaml:train_model.bootstrap: [true, false]
"""
WINE_SPACE = """\
estimators.ElasticNet.params.alpha: {low: 0.0001, high: 2.0, log: true}
estimators.ElasticNet.params.l1_ratio: {low: 0.0, high: 1.0}
"""
SEABORN = '''\
"""Stand-in for the one function of seaborn that the repository draws with."""
import matplotlib.pyplot as plt


def heatmap(values, cmap=None, **options):
    plt.imshow(values, cmap=cmap)
'''
"""Without seaborn, the last stage of the repository could not start."""


def tables(repeat: int) -> Tables:
    """Yield a table of both repositories, with `repeat` searches a sampler."""
    rows = []
    with TemporaryDirectory() as folder:
        for name, build in ((WINE, _wine), (CANCER, _cancer)):
            source = external_data(f"dvc-repositories/{name}")
            if isinstance(source, Omission):
                owner, repository = name.split("+")
                address = f"git clone https://github.com/{owner}/{repository}"
                yield Omission(f"{source.reason}; it comes by {address}")
                continue
            root = Path(folder) / name
            subprocess.run(["git", "clone", "--quiet", str(source), str(root)], check=True)
            subprocess.run(["git", "checkout", "--quiet", COMMITS[name]], cwd=root, check=True)
            rows += compare(build(root), budget=BUDGET, seeds=repeat)
    if rows:
        yield table(
            "public",
            f"Two public repositories, {BUDGET} trials, {searches(repeat)}. spatra94/ml-ops: RMSE of the "
            "quality of wines; lefos99/dvc-demo: 1 - area under the ROC curve of tumours (validation: the "
            "area), where the defaults are one tree of depth 1. Unseen: a third of the rows, removed before "
            "the search.",
            rows,
        )


def _wine(root: Path) -> Case:
    path = root / "data_given/winequality.csv"
    unseen = _hold_out(path)

    def judge(case: Case) -> Unseen:
        import joblib

        model = joblib.load(case.root / "saved_models/model.joblib")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the rows here have no names
            predicted = np.ravel(model.predict(unseen[:, :-1]))
        return Unseen(np.column_stack([unseen[:, -1], predicted]))

    return Case(
        "spatra94/ml-ops",
        root,
        "train_and_evaluate",
        "report/scores.json:rmse",
        "min",
        WINE_SPACE,
        lambda rows: float(np.sqrt(np.mean((rows[:, 0] - rows[:, 1]) ** 2))),
        judge,
        {},
    )


def _cancer(root: Path) -> Case:
    unseen = _hold_out(root / "dvc_demo/data/raw/data.csv", label="diagnosis", drop="id")
    environment = {}
    if importlib.util.find_spec("seaborn") is None:
        stand_in = root / ".stand-in"
        stand_in.mkdir()
        (stand_in / "seaborn.py").write_text(SEABORN, encoding="utf-8")
        environment["PYTHONPATH"] = f"{stand_in}:{':'.join(path for path in sys.path if path)}"

    def judge(case: Case) -> Unseen:
        import joblib

        folder = case.root / "dvc_demo/data/model"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scaled = joblib.load(folder / "scaler.joblib").transform(unseen[:, :-1])
        model = joblib.load(folder / "random_forest_model.joblib")
        return Unseen(np.column_stack([unseen[:, -1], model.predict_proba(scaled)[:, 1]]))

    return Case(
        "lefos99/dvc-demo",
        root,
        "dvc_demo/dvc.yaml:evaluate_model",
        "dvc_demo/data/model/evaluation/metrics.json:test_roc_auc",
        "max",
        CANCER_SPACE,
        _one_minus_area,
        judge,
        environment,
    )


def _one_minus_area(rows: Floats) -> float:
    """Return 1 - the area under the ROC curve of truth and score."""
    from scipy.stats import rankdata

    truth = rows[:, 0] == 1
    wins = rankdata(rows[:, 1])[truth].sum() - truth.sum() * (truth.sum() + 1) / 2
    return float(1 - wins / (truth.sum() * (~truth).sum()))


def _hold_out(path: Path, label: str = "", drop: str = "") -> Floats:
    """Remove a third of the rows of a file; return them, the target last.

    Parameters
    ----------
    label : str
        The target; with this name its value ``M`` is 1. By default, the last column is the target.
    drop : str
        A column that is not used.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    chosen = set(random.Random(SEED).sample(range(len(rows)), round(HELD_OUT * len(rows))))
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *(row for k, row in enumerate(rows) if k not in chosen)])
    names = [name for name in header if name not in (label, drop)]
    held = [dict(zip(header, row, strict=False)) for k, row in enumerate(rows) if k in chosen]

    def target(row: dict[str, str]) -> float:
        return float(row[label] == "M") if label else float(row[names[-1]])

    features = names if label else names[:-1]
    return np.array([[*(_number(row.get(name, "")) for name in features), target(row)] for row in held])


def _number(text: str) -> float:
    return float(text) if text else float("nan")
