"""Information: estimators, decimation, masked gradients, trained networks."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.integrate import quad
from scipy.stats import norm

from benchmarks.parts import Tables
from methods.sifa.contrastive import info_nce_bound
from methods.sifa.information import binned, ksg, mixed, noised, permuted
from methods.sifa.regularise import dependence
from methods.sifa.renormalise import coarse_coupling, coupling, decimate, ising_chains
from methods.trust.black_box import Budget, robustness
from tasks.report.benchmark import BenchmarkTable

Floats = np.ndarray

ROWS, SEEDS, CRITICS = 1_000, 20, 3
CORRELATIONS = (0.0, 0.3, 0.6, 0.9, 0.99)
SHIFTS = (1.0, 3.0)
BATCH = 64
VARIANTS = ("sifa", "no-information", "no-symmetry")
TRAINED, JUDGED, COMPONENTS, NOISE = 100, 1_000, 5, 0.5


def tables(repeat: int) -> Tables:
    """Yield tables of estimators, layers, couplings, masking and representations."""
    yield _estimators()
    yield _deterministic()
    yield _couplings()
    yield _masking()
    yield _representations()


def gaussians(r: float, rows: int, seed: int) -> tuple[Floats, Floats]:
    """Return pairs of Gaussians with correlation r."""
    x, noise = np.random.default_rng(seed).normal(size=(2, rows))
    return x, r * x + np.sqrt(1 - r**2) * noise


def labelled(shift: float, rows: int, seed: int) -> tuple[Floats, Floats]:
    """Return unit Gaussians of two classes that are `shift` apart, and the class."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, size=rows)
    return generator.normal(size=rows) + shift * label, label


def labelled_truth(shift: float) -> float:
    """Integrate the entropy of the mixture, less that of a Gaussian."""

    def entropy(value: float) -> float:
        density = (norm.pdf(value) + norm.pdf(value - shift)) / 2
        return float(-density * np.log(density))

    return float(quad(entropy, -10, 10 + shift, limit=200)[0] - 0.5 * math.log(2 * math.pi * math.e))


def _estimators() -> BenchmarkTable:
    rows: list[list[str | int | float | None]] = []
    for r in CORRELATIONS:
        pairs = [gaussians(r, ROWS, seed) for seed in range(SEEDS)]
        near = [ksg(x, y) for x, y in pairs]
        bound = [
            info_nce_bound(*gaussians(r, 2 * ROWS, seed), batch=BATCH, seed=seed).value
            for seed in range(CRITICS)
        ]
        bins = float(np.mean([binned(x, y) for x, y in pairs]))
        truth = float(-np.log(1 - r**2) / 2) + 0.0
        rows.append([f"Gaussians, r = {r:g}", truth, *_spread(near), bins, float(np.mean(bound))])
    for shift in SHIFTS:
        near = [mixed(*labelled(shift, ROWS, seed)) for seed in range(SEEDS)]
        rows.append(
            [f"label and Gaussian, shift {shift:g}", labelled_truth(shift), *_spread(near), None, None]
        )
    return BenchmarkTable(
        name="estimators",
        title=f"Mutual information in nats: mean over {SEEDS} seeds of {ROWS:,} rows with 3 neighbours, and "
        f"8 bins of equal mass; bound of a trained critic over {CRITICS} seeds of {2 * ROWS:,} rows with "
        f"K = {BATCH}, ceiling {np.log(BATCH):.3f}.",
        columns=["pair", "truth", "neighbours", "standard deviation", "bins", "contrastive bound"],
        rows=rows,
    )


def _spread(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _deterministic() -> BenchmarkTable:
    rows: list[list[str | int | float | None]] = []
    for n in (500, 1_000, 2_000, 4_000):
        x = np.random.default_rng(0).normal(size=n)
        rows.append([n, ksg(x, np.tanh(x)), ksg(x, np.exp(x / 10)), float(np.log(n))])
    return BenchmarkTable(
        name="deterministic",
        title="Neighbours on the input and the output of two deterministic layers. The truth is infinite; "
        "the estimates count rows.",
        columns=["rows", "tanh(x)", "exp(x / 10)", "log n"],
        rows=rows,
    )


def _couplings() -> BenchmarkTable:
    rows: list[list[str | int | float | None]] = []
    for strength in (0.2, 0.5, 1.0):
        chains = ising_chains(500, 2_000, strength, seed=0)
        for block in (2, 3, 5):
            estimate, expected = coupling(decimate(chains, block)), coarse_coupling(strength, block)
            deviation = (estimate.value - expected) / estimate.error
            rows.append([strength, block, expected, estimate.value, estimate.error, deviation])
    return BenchmarkTable(
        name="couplings",
        title="Couplings of decimated Ising chains, 500 chains of 2,000 spins: artanh((tanh K)^b) and its "
        "estimate, with the deviation in standard errors.",
        columns=["K", "block", "exact", "estimate", "standard error", "deviation"],
        rows=rows,
        decimals={"K": 1, "block": 0, "exact": 5, "estimate": 5, "standard error": 5, "deviation": 2},
    )


def _masking() -> BenchmarkTable:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    x = torch.rand(500, 8, generator=generator, dtype=torch.float64)
    rows: list[list[str | int | float | None]] = []
    for name, smooth in (("linear", True), ("linear after a sawtooth", False)):

        def model(point: torch.Tensor, smooth: bool = smooth) -> torch.Tensor:
            steps = torch.floor(point / 0.01) * 0.01
            return (point if smooth else 2 * steps - point) @ weight.T

        y = model(x).argmax(dim=1)
        result = robustness(model, x, y, radii=[0.3], budget=Budget(), seed=0)[0]
        rows.append([name, result.gradient, result.black_box, result.robust, result.masked])
    return BenchmarkTable(
        name="masking",
        title="Accuracy within radius 0.3 by PGD (20 steps, 3 starts) and by random search (200 queries) on "
        "two models that decide alike; the gradient of the second points the wrong way.",
        columns=["model", "PGD", "random search", "both", "masked"],
        rows=rows,
    )


def _representations() -> BenchmarkTable:
    """Train on turned digits, and measure the pooled features of the test rows."""
    rows: list[list[str | int | float | None]] = []
    for variant in VARIANTS:
        figures = np.array([_features(variant, seed) for seed in range(CRITICS)])
        rows.append([variant, *figures.mean(axis=0).tolist()])
    return BenchmarkTable(
        name="representations",
        title=f"Pooled features of networks on {TRAINED} turned digits, on {JUDGED} other rows, means over "
        f"{CRITICS} seeds: information with the label in {COMPONENTS} principal components (nats, 3 "
        f"neighbours; the label has {np.log(10):.3f}), the same of permuted labels, information with the "
        f"first component of the input after noise of {NOISE:g} standard deviations, and normalised "
        "dependence.",
        columns=["variant", "accuracy", "label", "permuted", "input, noised", "D(input)", "D(label)"],
        rows=rows,
    )


def _features(variant: str, seed: int) -> list[float]:
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA

    from methods.sifa.model import Settings, Task, train

    pictures, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(seed)
    turns = generator.integers(4, size=len(labels))
    x = np.stack(
        [np.rot90(picture.reshape(8, 8) / 16, turn) for picture, turn in zip(pictures, turns, strict=True)]
    )
    order = generator.permutation(len(labels))
    learned, judged = order[:TRAINED], order[TRAINED : TRAINED + JUDGED]
    task = Task("classification", 10)
    trained = train(variant, "digits", x[learned], labels[learned], task, seed=seed, settings=Settings())
    inputs, y = torch.as_tensor(x[judged], dtype=torch.float32), labels[judged]
    with torch.no_grad():
        features = trained.module.features(inputs).double()  # type: ignore[union-attr,operator]
    main = PCA(COMPONENTS, random_state=0).fit_transform(features.numpy())
    parts = permuted(lambda a, b, s: mixed(a, np.asarray(b), 3, s), main, y, permutations=9, seed=seed)
    first = PCA(1, random_state=0).fit_transform(inputs.flatten(1).numpy())
    return [
        float((trained.predict(x[judged]).argmax(axis=1) == y).mean()),
        parts.estimate,
        parts.null,
        ksg(first, noised(main, NOISE, seed)),
        float(dependence(features, inputs.flatten(1).double())),
        float(dependence(features, torch.eye(10, dtype=torch.float64)[torch.as_tensor(y)])),
    ]
