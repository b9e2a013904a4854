"""Evaluate cells whose effects are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.stats import t

from statewright.contracts import ContractError
from tasks.sifa.contracts.rows import PreprocessMetrics, SetFigures
from tasks.sifa.evaluate import SPECIFICATION, evaluate
from tasks.sifa.params import EvaluateParams, MatrixParams

SEEDS = (0, 1, 2)
PARAMS = EvaluateParams(draws=200, seed=0)
VARIANTS = ("sifa", "no-symmetry", "no-information", "plain", "mlp")
ROWS = 400


def matrix(**changes) -> MatrixParams:
    values = {
        "data": ("digits", "digits500", "solubility", "sixnine"),
        "variants": VARIANTS[:-1],
        "ablated": ("digits", "digits500", "solubility", "sixnine"),
        "ablations": VARIANTS[-1:],
        "grids": ("digits",),
        "grid_variants": ("cnn",),
        "graphs": ("solubility",),
        "graph_variants": ("forest",),
        "seeds": SEEDS,
    }
    return MatrixParams(**{**values, **changes})


def write_cell(folder: Path, data: str, variant: str, seed: int, rate: float) -> None:
    """Write a cell whose wrong rows are nested between variants."""
    cell = folder / f"{data}-{variant}-{seed}"
    cell.mkdir(parents=True)
    row = np.arange(ROWS) + 100 * seed
    wrong = np.random.default_rng(7 + seed).permutation(ROWS) < round(rate * ROWS)
    accuracy = data != "solubility"
    target = (row % 3).astype(np.int64) if accuracy else row / 100
    if accuracy:
        prediction = np.eye(3)[np.where(wrong, (target + 1) % 3, target)]
    else:
        # Errors of +-rate: a root mean square error of exactly `rate`.
        prediction = target + rate * np.where(row % 2, 1, -1)
    scores = {
        "data": data, "variant": variant, "seed": seed,
        "measure": "accuracy" if accuracy else "root mean square error, log mol/L",
        "score": 1 - float(wrong.mean()) if accuracy else rate,
        "train_score": 0.95 if accuracy else rate / 2,
        "log_loss": 0.2 + rate if accuracy else None,
        "brier": rate if accuracy else None,
        "ece": rate / 2 if accuracy else None,
        "attack": {"0": 0.88, "0.1": 1 - rate - 0.2, "0.2": 1 - rate - 0.3} if accuracy else {},
        "attack_gradient": {"0": 0.88, "0.1": 1 - rate - 0.15, "0.2": 1 - rate - 0.3} if accuracy else {},
        "shift": {"turned by 45 degrees": 1 - rate - 0.3} if accuracy else {},
        "parameters": 1000, "flops": 5000, "seconds": 1.5,
        "losses": [1.0, 0.5, 0.2, 0.1, 0.2, 0.1],
        "validation": (0.1 if accuracy else 0.3) if variant == "sifa" else None,
    }  # fmt: skip
    (cell / "scores.json").write_text(json.dumps(scores))
    tensors = {"row": row, "target": target, "prediction": prediction}
    save_file(tensors, cell / "predictions.safetensors")


RATES = {
    "sifa": 0.1,
    "no-symmetry": 0.15,
    "no-information": 0.1,
    "plain": 0.2,
    "mlp": 0.3,
    "cnn": 0.12,
    "forest": 0.08,
}
HARDER = {"digits": 1.0, "digits500": 0.5, "solubility": 1.0, "sixnine": 1.0}


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    for data, factor in HARDER.items():
        extra = {"digits": ("cnn",), "solubility": ("forest",)}.get(data, ())
        for variant in (*VARIANTS, *extra):
            for seed in SEEDS:
                rate = factor * RATES[variant]
                # Where the symmetry is false, the architecture loses.
                if data == "sixnine" and variant == "sifa":
                    rate = 0.25
                write_cell(
                    folder, data, variant, seed, rate + 0.005 * (seed - 1) * (variant == "no-symmetry")
                )
    return folder


@pytest.fixture(scope="module")
def preprocess() -> PreprocessMetrics:
    rows = {"digits": 100, "digits500": 500, "solubility": 902, "sixnine": 100}
    return PreprocessMetrics(
        sets={
            name: SetFigures(rows=2000, train=n, test=ROWS, classes=3, shape=[8, 8])
            for name, n in rows.items()
        }
    )


@pytest.fixture(scope="module")
def solubility() -> dict[str, np.ndarray]:
    """Chains of 1 to 10 carbon atoms; the training molecules are the shortest."""
    x = np.zeros((ROWS + 200, 10, 17))
    for number, chain in enumerate(x):
        length = 1 + number * 10 // len(x)
        chain[:length, :2] = 6, 4
        for atom in range(length - 1):
            chain[atom, 7 + atom + 1] = chain[atom + 1, 7 + atom] = 1
    return {"x": x, "y": np.arange(len(x)) / 100} | {f"train.{seed}": np.arange(60) for seed in SEEDS}


@pytest.fixture(scope="module")
def outputs(cells, preprocess, solubility):
    return evaluate(cells, preprocess, solubility, params=PARAMS, matrix=matrix())


def test_ablations_have_the_intervals_of_the_paired_t_test(outputs):
    change = outputs.evaluate.ablations["no-symmetry"].changes["digits"]
    # The rates differ by 0.05 + (-0.005, 0, 0.005) over the seeds.
    half = t.ppf(0.975, 2) * 0.5 / np.sqrt(3)
    assert change.mean == pytest.approx(-5, abs=0.01)
    assert (change.low, change.high) == pytest.approx((-5 - half, -5 + half), abs=0.02)
    assert change.verdict == "loss" and change.seeds == 3
    assert change.row_low < -5 < change.row_high < 0
    none = outputs.evaluate.ablations["no-information"].changes["digits"]
    assert (none.mean, none.low, none.high, none.verdict) == (0, 0, 0, "not shown")


def test_the_specification_stands_beside_our_mean_over_true_symmetries(outputs):
    ablation = outputs.evaluate.ablations["no-symmetry"]
    assert ablation.specification == -2.3
    # digits: -5, digits500: -2.5; sixnine is left out.
    assert ablation.accuracy.mean == pytest.approx(-3.75, abs=0.01)
    assert [SPECIFICATION[name] for name in ("no-information", "no-symplectic", "no-renormalisation")] == [
        -1.8,
        -3.1,
        -1.5,
    ]
    assert "no-symplectic" not in outputs.evaluate.ablations


def test_errors_are_compared_in_percent(outputs):
    change = outputs.evaluate.ablations["no-symmetry"].changes["solubility"]
    # A root mean square error of 0.15 in place of 0.1.
    assert change.mean == pytest.approx(-50, abs=0.1)
    gains = outputs.evaluate.sets["solubility"].gains
    assert outputs.evaluate.sets["solubility"].strongest == "forest"
    assert gains["forest"].mean == pytest.approx(100 * (1 - 0.1 / 0.08), abs=0.01)
    assert gains["forest"].verdict == "loss"
    assert gains["plain"].mean == pytest.approx(50, abs=0.01)


def test_the_strongest_baseline_is_named_and_ablations_are_not_baselines(outputs):
    digits = outputs.evaluate.sets["digits"]
    assert digits.strongest == "cnn"
    assert set(digits.gains) == {"plain", "mlp", "cnn"}
    assert digits.gains["cnn"].mean == pytest.approx(2, abs=0.01)
    scores = digits.variants["sifa"]
    assert (scores.score, scores.spread, scores.seeds) == (0.9, 0, 3)
    assert (scores.log_loss, scores.brier, scores.ece) == pytest.approx((0.3, 0.1, 0.05))
    assert outputs.evaluate.sets["solubility"].variants["sifa"].ece is None


def test_a_false_symmetry_is_reported_as_a_loss(outputs):
    result = outputs.evaluate.false_symmetry
    assert result.mean == pytest.approx(-10, abs=0.1)
    assert result.verdict == "loss"


def test_attacks_are_compared_by_radius_and_masking_is_shown(outputs):
    attack = outputs.evaluate.attack["digits"]
    assert "solubility" not in outputs.evaluate.attack
    assert attack["sifa"].clean == 0.88
    assert attack["sifa"].attacked == pytest.approx({"0.1": 0.7, "0.2": 0.6})
    assert attack["sifa"].gain["0.1"].mean == pytest.approx(10)
    assert attack["plain"].gain == {}
    assert attack["sifa"].masked == pytest.approx(0.05)


def test_shifts_and_sample_efficiency(outputs):
    shift = outputs.evaluate.shift["digits"]["sifa"]["turned by 45 degrees"]
    assert (shift.score, shift.change) == pytest.approx((0.6, -30))
    plain = outputs.evaluate.efficiency["plain"]
    assert (plain.rows, plain.errors) == ((100, 500), (0.2, 0.1))
    # The error halves with five times the rows: 0.1 needs 500.
    assert plain.equivalent == pytest.approx(500)
    assert outputs.evaluate.efficiency["sifa"].equivalent == pytest.approx(100)
    assert "cnn" not in outputs.evaluate.efficiency


def test_errors_of_molecules_by_similarity_to_the_training_set(outputs, solubility, tmp_path):
    similarity = outputs.evaluate.similarity
    # All training molecules are one atom, no molecule has a ring, and the errors do not depend on the row.
    assert (similarity.within, similarity.known_rings) == (1, 1)
    assert similarity.errors["sifa"] == pytest.approx([0.1] * 3)
    assert abs(similarity.correlation["sifa"]) < 0.1  # of rounding errors
    assert similarity.gains["forest"].mean == pytest.approx(-25, abs=0.01)
    assert set(similarity.gains) == {"plain", "mlp", "forest"}
    for seed in SEEDS:
        write_cell(tmp_path, "solubility", "sifa", seed, 0.1)
        cell = tmp_path / f"solubility-sifa-{seed}"
        row = np.arange(ROWS) + 100 * seed
        # The longer a chain, the less it is like one atom; 3 and 4 atoms are equally near, and 5 and more.
        atoms = 1 + row * 10 // (ROWS + 200)
        prediction = row / 100 + np.array([1, 2, 3, 3, 5, 5, 5, 5, 5, 5])[atoms - 1]
        save_file(
            {"row": row, "target": row / 100, "prediction": prediction}, cell / "predictions.safetensors"
        )
    chosen = matrix(
        data=("solubility",), variants=("sifa",), ablated=(), grids=(), graphs=(), graph_variants=()
    )
    figures = PreprocessMetrics(
        sets={"solubility": SetFigures(rows=600, train=60, test=ROWS, classes=1, shape=[10, 17])}
    )
    longer = evaluate(tmp_path, figures, solubility, params=PARAMS, matrix=chosen).evaluate.similarity
    assert longer.errors["sifa"] == sorted(longer.errors["sifa"], reverse=True)
    assert longer.errors["sifa"][0] == pytest.approx(5)
    assert longer.correlation["sifa"] < -0.75  # -1 but for rounding errors, which break ties
    # Chains of 5 and more atoms have 6 environments, one atom has 2 (itself, and nothing around it), and
    # both have the atom.
    assert longer.bounds[0] == pytest.approx((1 / 7, 1 / 7), abs=1e-5) and longer.bounds[2][1] == 1


def test_validation_has_no_figure_of_test_rows(outputs, cells, preprocess, solubility, tmp_path):
    figures = outputs.validation
    assert figures.loss == pytest.approx((0.1 + 0.1 + 0.1 + 0.3) / 4)
    assert figures.sets["digits"].gap == pytest.approx(0.1 - 0.05)
    assert figures.sets["solubility"].gap is None
    # Second half: 0.1, 0.2, 0.1: a rise of 0.1 of a fall of 0.9; the last tenth is one epoch, a fall of 0.1.
    assert figures.sets["digits"].rises == pytest.approx(0.1 / 0.9, abs=1e-5)
    assert figures.sets["digits"].late == pytest.approx(0.1 / 0.9, abs=1e-5)
    for variant in VARIANTS:
        for seed in SEEDS:
            write_cell(tmp_path, "digits", variant, seed, 0.5)
    worse = evaluate(
        tmp_path,
        preprocess,
        solubility,
        params=PARAMS,
        matrix=matrix(data=("digits",), ablated=("digits",), grids=(), graphs=()),
    )
    assert worse.validation.sets["digits"] == figures.sets["digits"]
    assert worse.evaluate.sets["digits"].variants["sifa"].score == 0.5
    assert worse.evaluate.similarity is None
    assert worse.evaluate.efficiency == {} and worse.evaluate.false_symmetry is None


def test_a_missing_cell_and_other_test_rows_raise_an_error(cells, preprocess, solubility, tmp_path):
    with pytest.raises(ContractError, match=r"digits-sifa-5/scores\.json is missing"):
        evaluate(cells, preprocess, solubility, params=PARAMS, matrix=matrix(seeds=(0, 5)))
    for variant in ("sifa", "plain"):
        for seed in (0, 1):
            write_cell(tmp_path, "digits", variant, seed, 0.1)
    file = tmp_path / "digits-plain-1" / "predictions.safetensors"
    target = np.zeros(ROWS, dtype=np.int64)
    save_file({"row": np.arange(ROWS), "target": target, "prediction": np.eye(3)[target]}, file)
    few = matrix(data=("digits",), variants=("sifa", "plain"), ablated=(), grids=(), graphs=(), seeds=(0, 1))
    with pytest.raises(ContractError, match="different test rows"):
        evaluate(tmp_path, preprocess, solubility, params=PARAMS, matrix=few)
