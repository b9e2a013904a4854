"""Variational inference: ascent methods, and errors of two families against NUTS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from benchmarks.parts import Tables
from methods.variational import (
    Careers,
    Fit,
    Gaussian,
    Prior,
    SampledPosterior,
    careers_of,
    coordinate_ascent,
    gradient_ascent,
    natural_gradient_ascent,
    sample,
    structured_ascent,
)
from methods.variational.gradient import plain_gradient
from methods.variational.mean_field import FACTORS, MeanField, bound, initial
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SOURCE = Path(__file__).resolve().parents[2] / "data" / "source" / "career_audio.parquet"
NATS = 1.0
"""Distance to the best bound at which a method counts as converged."""


def tables(repeat: int) -> Tables:
    """Yield tables measured on the valence of real careers."""
    yield _ascents(repeat)
    yield _against_nuts()


def careers(artists: int) -> Careers:
    """Return the valence of random careers, the same at each call."""
    rows = pd.read_parquet(SOURCE).astype({"year": int}).sort_values(["artist_id", "year"])
    chosen = np.random.default_rng(0).choice(rows["artist_id"].unique(), artists, replace=False)
    rows = rows[rows["artist_id"].isin(chosen)]
    mean, spread = (rows[[f"valence_{part}"]].to_numpy(float) for part in ("mean", "sd"))
    scale = mean.std()
    return careers_of(
        rows["artist_id"].to_numpy(int), rows["year"].to_numpy(int), rows["n_songs"].to_numpy(float),
        (mean - mean.mean()) / scale, spread / scale,
    )[0]  # fmt: skip


def _ascents(repeat: int) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for artists in (10, 40, 160):
        sample_careers = careers(artists)
        best = coordinate_ascent(sample_careers, tolerance=1e-13, max_steps=5000).elbo[-1]
        ascents = {
            name: _time_ascent(ascend, sample_careers, best, repeat) for name, ascend in _METHODS.items()
        }
        unit = ascents["natural gradient"][1]
        for name, (steps, seconds, gap) in ascents.items():
            cost: list[TextOrNumber] = [steps, seconds, seconds / unit]
            if gap >= NATS:
                cost = [f"not in {steps}", f"> {seconds:.2f}", f"> {seconds / unit:.1f}"]
            rows.append([artists, len(sample_careers.songs), name, *cost, gap])
    return BenchmarkTable(
        name="ascents",
        title="Steps and CPU seconds to within 1 nat of the best mean-field bound; best of the repetitions.",
        columns=[
            "careers",
            "years",
            "method",
            "steps",
            "seconds",
            "ratio to natural gradient",
            "gap in nats",
        ],
        rows=rows,
        decimals={"seconds": 2, "ratio to natural gradient": 1, "gap in nats": 2},
    )


def _time_ascent(
    ascend: Callable[[Careers, int], np.ndarray], some: Careers, best: float, repeat: int
) -> tuple[int, float, float]:
    """Find the number of steps to the bound and time them; return the gap too."""
    trace = ascend(some, 3000)
    near = best - trace < NATS
    steps = int(near.argmax()) if near.any() else len(trace) - 1
    seconds = []
    for _ in range(repeat):
        began = time.process_time()
        trace = ascend(some, steps)
        seconds.append(time.process_time() - began)
    return steps, min(seconds), float(best - trace[-1])


def _lbfgs(some: Careers, steps: int) -> np.ndarray:
    """Run SciPy's L-BFGS-B on the plain gradient, the usual alternative to ascent."""
    start, prior = initial(some, Prior()), Prior()
    sizes = [getattr(start, name).free[0].shape for name in FACTORS]

    def posterior(flat: np.ndarray) -> MeanField:
        parts, at = {}, 0
        for name, shape in zip(FACTORS, sizes, strict=True):
            count = int(np.prod(shape))
            first, second = flat[at : at + count], flat[at + count : at + 2 * count]
            parts[name] = type(getattr(start, name)).from_free(first.reshape(shape), second.reshape(shape))
            at += 2 * count
        return replace(start, **parts)

    def flat(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        return np.concatenate([part.ravel() for pair in pairs for part in pair])

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            q = posterior(point)
            value = -bound(q, some, prior)
            slope = -flat([plain_gradient(name, q, some, prior) for name in FACTORS])
        return (value, slope) if np.isfinite(value) else (1e300, 0 * slope)

    trace = [bound(start, some, prior)]
    minimize(
        objective, flat([getattr(start, name).free for name in FACTORS]), jac=True, method="L-BFGS-B",
        callback=lambda point: trace.append(bound(posterior(point), some, prior)),
        options={"maxiter": steps, "maxfun": 10 * steps, "ftol": 0, "gtol": 0},
    )  # fmt: skip
    return np.array(trace)


_METHODS: dict[str, Callable[[Careers, int], np.ndarray]] = {
    "coordinate ascent": lambda some, steps: coordinate_ascent(some, tolerance=0, max_steps=steps).elbo,
    "natural gradient": lambda some, steps: natural_gradient_ascent(some, tolerance=0, max_steps=steps).elbo,
    "plain gradient": lambda some, steps: gradient_ascent(some, tolerance=0, max_steps=steps).elbo,
    "plain gradient, L-BFGS": _lbfgs,
}


def _against_nuts(artists: int = 20, draws: int = 2000) -> BenchmarkTable:
    some = careers(artists)
    fits, seconds = {}, {}
    for name, ascend in (("structured", structured_ascent), ("mean field", coordinate_ascent)):
        began = time.process_time()
        fits[name] = ascend(some)
        seconds[name] = time.process_time() - began
    began = time.process_time()
    nuts = sample(some, draws=draws, tune=1000, seed=0)
    seconds["NUTS"] = time.process_time() - began
    rows: list[list[TextOrNumber]] = []
    for name in nuts.mean:
        cells: list[TextOrNumber] = [f"{nuts.mean[name][0]:.3f} ({nuts.sd[name][0]:.3f})"]
        cells += [f"{mean:.3f} ({sd:.3f})" for mean, sd in (_moments(fit, name) for fit in fits.values())]
        rows.append([name.replace("_", " "), *cells])
    for part in ("state", "level"):
        rows.append([f"{part}s: mean error, in sd of NUTS", 0, *_each(fits, nuts, part, _error)])
        rows.append([f"{part}s: median sd over NUTS's", 1, *_each(fits, nuts, part, _ratio)])
    return BenchmarkTable(
        name="NUTS",
        title=f"Posterior means (standard deviations) on {artists} careers, {len(some.songs)} years; NUTS by "
        f"nutpie, 4 chains of {draws}, compilation included: largest R-hat {nuts.largest_r_hat:.3f}, "
        f"smallest effective sample {nuts.smallest_ess:.0f}, {nuts.divergences} divergences, "
        f"{'converged' if nuts.converged else 'not converged by the strict rule (R-hat 1.01, 400 draws)'}.",
        columns=["parameter", "NUTS", "structured", "mean field"],
        rows=[*rows, ["CPU seconds", *(seconds[name] for name in ("NUTS", "structured", "mean field"))]],
    )


def _moments(fit: Fit, name: str) -> tuple[float, float]:
    factor = getattr(fit.globals_, name)
    variance = factor.variance if isinstance(factor, Gaussian) else factor.shape / factor.rate**2
    return float(factor.mean[0]), float(np.sqrt(variance[0]))


def _each(
    fits: dict[str, Fit], nuts: SampledPosterior, part: str, measure: Callable[..., float]
) -> list[float]:
    return [measure(getattr(fit.moments, part), getattr(nuts, part)) for fit in fits.values()]


def _error(fitted: Gaussian, exact: Gaussian) -> float:
    return float(np.abs((fitted.mean - exact.mean) / np.sqrt(exact.variance)).mean())


def _ratio(fitted: Gaussian, exact: Gaussian) -> float:
    return float(np.median(np.sqrt(fitted.variance / exact.variance)))
