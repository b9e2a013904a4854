"""Check variational auto-encoders against exact likelihoods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import ROOT
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from methods.latent import Settings, fit_vae
from methods.latent import network as net


def probabilistic_pca(x: np.ndarray, width: int) -> tuple[float, float]:
    """Return the largest log likelihood per row, and its noise variance."""
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1].clip(min=0)
    noise = eigenvalues[width:].mean()
    log_determinant = np.log(eigenvalues[:width]).sum() + (x.shape[1] - width) * np.log(noise)
    return -0.5 * (x.shape[1] * (np.log(2 * np.pi) + 1) + log_determinant), noise


def careers() -> np.ndarray:
    """Return the shipped yearly means of careers, each column with deviation 1."""
    table = pd.read_parquet(ROOT / "data/source/career_audio.parquet")
    x = table.filter(regex="_mean$").dropna().to_numpy(float)
    return (x - x.mean(0)) / x.std(0)


@pytest.mark.parametrize(("name", "width"), [("digits", 3), ("careers", 3)])
def test_a_linear_decoder_reaches_probabilistic_pca(name: str, width: int) -> None:
    x = load_digits().data[::4] if name == "digits" else careers()
    fitted = fit_vae(x, width, decoder="linear", seed=1)
    best, noise = probabilistic_pca(x, width)
    assert best - 0.05 < fitted.log_likelihood <= best + 1e-9  # no model of this kind is above the maximum
    assert fitted.variance == pytest.approx(noise, rel=0.01)
    assert fitted.active_units(x) == width


def test_the_exact_likelihood_is_that_of_the_reference_library() -> None:
    x = careers()
    reference = PCA(2).fit(x)
    fitted = fit_vae(x, 2, decoder="linear", seed=0)
    rows = fitted.row_log_likelihood(x[:50], samples=1, seed=0)
    np.testing.assert_allclose(rows, reference.score_samples(x[:50]), atol=0.05)


@settings(deadline=None, max_examples=50)
@given(st.floats(-3, 3), st.floats(0.01, 5))
def test_the_divergence_is_that_of_the_reference_library(mean: float, variance: float) -> None:
    normal = torch.distributions.Normal
    reference = torch.distributions.kl_divergence(
        normal(torch.tensor(mean).double(), torch.tensor(variance).double().sqrt()),
        normal(torch.tensor(0.0).double(), torch.tensor(1.0).double()),
    )
    ours = net.kl_divergence(torch.tensor(mean).double(), torch.tensor(variance).double())
    assert float(ours) == pytest.approx(float(reference), abs=1e-9)
    assert float(ours) >= -1e-12


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_no_bound_of_a_linear_decoder_is_above_the_exact_likelihood(seed: int) -> None:
    torch.manual_seed(seed)
    network, x = net.Network(5, 2, 0), torch.randn((20, 5), dtype=torch.float64)
    bound = net.evidence_bound(network, x, torch.zeros(()), 1.0)
    assert bool((bound <= net.exact_log_likelihood(network, x) + 1e-9).all())


def test_the_analytic_bound_is_the_mean_of_the_sampled_one() -> None:
    torch.manual_seed(0)
    linear, x = net.Network(4, 2, 0), torch.randn((6, 4), dtype=torch.float64)
    with torch.no_grad():
        mean, variance = linear.encode(x)
        z = mean + variance.sqrt() * torch.randn((200_000, 6, 2), dtype=torch.float64)
        normal = torch.distributions.Normal(linear.decode(z), (0.5 * linear.log_noise).exp())
        sampled = normal.log_prob(x).sum(-1).mean(0) - net.kl_divergence(mean, variance).sum(-1)
        analytic = net.evidence_bound(linear, x, torch.zeros(()), 1.0)
    np.testing.assert_allclose(analytic.numpy(), sampled.numpy(), atol=0.02)  # 5 standard errors


def test_the_importance_bound_rises_to_the_exact_likelihood() -> None:
    torch.manual_seed(0)
    linear, x = net.Network(4, 2, 0), torch.randn((200, 4), dtype=torch.float64)
    with torch.no_grad():
        exact = net.exact_log_likelihood(linear, x).mean()
        bounds = [
            float(exact - net.importance_bound(linear, x, k, torch.Generator().manual_seed(0)).mean())
            for k in (1, 10, 5000)
        ]
    assert bounds[0] > bounds[1] > bounds[2]
    assert abs(bounds[2]) < 0.01


def parabola(rows: int, seed: int) -> np.ndarray:
    """Return points about a parabola, which no plane follows."""
    generator = np.random.default_rng(seed)
    t = generator.standard_normal(rows)
    return np.column_stack([2 * t, t**2]) + 0.1 * generator.standard_normal((rows, 2))


def test_a_perceptron_follows_a_curve_and_its_bound_agrees_with_quadrature() -> None:
    x, held_out = parabola(800, 0), parabola(200, 1)
    fitted = fit_vae(x, 1, seed=0, settings=Settings(epochs=60, learning_rate=5e-3))
    rows = fitted.row_log_likelihood(held_out, samples=500, seed=0)
    nodes, step = np.linspace(-8, 8, 4001, retstep=True)
    mean = fitted.decode(nodes[:, None])
    squares = ((held_out[:, None] - mean) ** 2).sum(-1) / fitted.variance
    density = np.exp(-0.5 * squares) / (2 * np.pi * fitted.variance)
    exact = np.log(density @ np.exp(-0.5 * nodes**2) * step / np.sqrt(2 * np.pi))
    assert rows.mean() == pytest.approx(exact.mean(), abs=0.03)
    assert rows.mean() > PCA(1).fit(x).score(held_out) + 0.5


def test_the_seed_decides_the_result() -> None:
    x = parabola(100, 0)
    quick = Settings(epochs=3)
    first, again, other = (fit_vae(x, 1, seed=s, settings=quick).log_likelihood for s in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("x", "width", "message"),
    [
        (np.array([[1.0, np.nan], [0.0, 1.0]]), 1, "finite table"),
        (np.zeros((5, 3)), 1, "rows of x are equal"),
        (np.eye(3), 3, "width must be from 1 to 2"),
        (np.eye(3), 0, "width must be from 1 to 2"),
    ],
)
def test_bad_input_is_an_error(x: np.ndarray, width: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_vae(x, width, seed=0)
