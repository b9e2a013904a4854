"""Fit a variational auto-encoder and evaluate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods import training
from methods.latent import network as net
from methods.training import seeded

ACTIVE = 0.01
"""Variance of a latent mean over rows above which the dimension is active (Burda et al., 2016)."""


@dataclass(frozen=True)
class Settings:
    """Settings of the training.

    Attributes
    ----------
    hidden : int
        Units of each of two hidden layers; for ``decoder="mlp"``.
    epochs, batch_size, learning_rate, patience
        Training of ``decoder="mlp"``. It ends when the best validation bound is ``patience`` epochs old.
    warm_up : int
        Epochs in which the weight of the divergence rises from 0 to 1. Otherwise a dimension may be
        dropped before the decoder has learned to use it.
    validation : float
        Share of rows for validation, if none are given.
    samples : int
        Draws per row of the importance-weighted bound.
    """

    hidden: int = 64
    epochs: int = 300
    batch_size: int = 256
    learning_rate: float = 2e-3
    warm_up: int = 10
    patience: int = 40
    validation: float = 0.1
    samples: int = 500


@dataclass(frozen=True)
class Vae:
    """A fitted variational auto-encoder.

    Attributes
    ----------
    log_likelihood : numpy.float64
        Mean over the fitted rows in nats: exact for a linear decoder, the importance-weighted bound
        otherwise.
    variance : float
        Learned observation variance, in squared units of the data.
    epochs : int
        Epochs until the best validation bound; 0 for a linear decoder.
    """

    network: net.Network
    centre: NDArray[np.float64]
    scale: float
    log_likelihood: np.float64
    variance: float
    epochs: int

    def encode(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return means and variances of ``q(z | x)``, each of shape (rows, width)."""
        with torch.no_grad():
            mean, variance = self.network.encode(_scaled(x, self.centre, self.scale))
        return mean.numpy(), variance.numpy()

    def decode(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected features at latent points of shape (rows, width)."""
        with torch.no_grad():
            return (
                self.centre
                + self.scale * self.network.decode(torch.as_tensor(z, dtype=torch.float64)).numpy()
            )

    def row_log_likelihood(self, x: NDArray[np.float64], *, samples: int, seed: int) -> NDArray[np.float64]:
        """Return the log likelihood of each row in nats, shape (rows,).

        It is exact for a linear decoder, and the importance-weighted bound of ``samples`` draws otherwise.
        """
        with torch.no_grad():
            scaled = _scaled(x, self.centre, self.scale)
            if self.network.is_linear:
                rows = net.exact_log_likelihood(self.network, scaled)
            else:
                generator = torch.Generator().manual_seed(seed)
                rows = net.importance_bound(self.network, scaled, samples, generator)
        return rows.numpy() - x.shape[1] * np.log(self.scale)

    def active_units(self, x: NDArray[np.float64]) -> int:
        """Count latent dimensions whose mean varies over the rows by more than `ACTIVE`."""
        return int((self.encode(x)[0].var(axis=0) > ACTIVE).sum())


def _scaled(x: NDArray[np.float64], centre: NDArray[np.float64], scale: float) -> Tensor:
    return torch.as_tensor((x - centre) / scale, dtype=torch.float64)


def fit_vae(
    x: NDArray[np.float64],
    width: int,
    *,
    decoder: Literal["linear", "mlp"] = "mlp",
    seed: int,
    validation: NDArray[np.float64] | None = None,
    settings: Settings | None = None,
) -> Vae:
    """Fit a variational auto-encoder with Gaussian observations.

    A linear decoder is fitted by L-BFGS on the exact bound. Its optimum is probabilistic PCA (Tipping and
    Bishop, 1999; Lucas et al., 2019). A non-linear one starts from probabilistic PCA and is trained by
    Adam on batches.

    Parameters
    ----------
    x : array of shape (rows, features)
        Finite values. All features share one observation variance, so they should have one scale.
    width : int
        Latent dimensions, from 1 to features - 1.
    decoder : {"linear", "mlp"}
        Linear map, or linear map plus perceptron.
    seed : int
        Seed of the start, the batches and the draws.
    validation : array of shape (rows, features), optional
        Rows that decide when the training ends; by default, a random part of `x`.

    Raises
    ------
    ValueError
        If `x` is not a finite table with at least two rows, is constant, or `width` is out of range.
    """
    x = _checked(x, width)
    settings = settings or Settings()
    centre = x.mean(axis=0)
    scale = float(np.sqrt(np.mean((x - centre) ** 2)))
    if scale == 0:
        raise ValueError("fit_vae: all rows of x are equal, so there is nothing to fit")
    if decoder == "linear":
        network, epochs = _fit_linear(_scaled(x, centre, scale), width, seed), 0
    else:
        held = None if validation is None else _scaled(validation, centre, scale)
        network, epochs = _fit_perceptron(_scaled(x, centre, scale), held, width, seed, settings)
    variance = float(network.log_noise.detach().exp()) * scale**2
    fitted = Vae(network, centre, scale, np.float64("nan"), variance, epochs)
    mean = fitted.row_log_likelihood(x, samples=settings.samples, seed=seed).mean()
    return replace(fitted, log_likelihood=np.float64(mean))


def _checked(x: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"fit_vae: x must be a finite table of at least 2 rows, got shape {x.shape}")
    if not 1 <= width < x.shape[1]:
        raise ValueError(f"fit_vae: width must be from 1 to {x.shape[1] - 1} (features - 1), got {width}")
    return x


def _fit_linear(x: Tensor, width: int, seed: int) -> net.Network:
    with seeded(seed):
        network = net.Network(x.shape[1], width, 0)
    optimiser = torch.optim.LBFGS(
        network.parameters(), max_iter=2000, history_size=30, tolerance_grad=1e-6,
        tolerance_change=1e-8, line_search_fn="strong_wolfe",
    )  # fmt: skip
    unused = torch.zeros(())

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = -net.evidence_bound(network, x, unused, 1.0).mean()
        value.backward()
        return value

    optimiser.step(loss)
    return network


def _fit_perceptron(
    x: Tensor, validation: Tensor | None, width: int, seed: int, settings: Settings
) -> tuple[net.Network, int]:
    with seeded(seed) as generator:
        if validation is None:
            order = torch.randperm(len(x), generator=generator)
            held = max(1, round(settings.validation * len(x)))
            x, validation = x[order[held:]], x[order[:held]]
        network = net.Network(x.shape[1], width, settings.hidden)
        _start_at_principal_axes(network, x.numpy(), width)
        draws = torch.randn((len(validation), width), generator=generator, dtype=x.dtype)
        divergence = 0.0

        def batches(epoch: int) -> Sequence[Tensor]:
            nonlocal divergence
            divergence = min(1.0, epoch / settings.warm_up)
            return torch.randperm(len(x), generator=generator).split(settings.batch_size)

        def loss(rows: Tensor) -> Tensor:
            noise = torch.randn((len(rows), width), generator=generator, dtype=x.dtype)
            return -net.evidence_bound(network, x[rows], noise, divergence).mean()

        objective = training.Objective(
            batches,
            loss,
            lambda _: training.Validation(-float(net.evidence_bound(network, validation, draws, 1.0).mean())),
            (generator,),
        )
        optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
        limits = training.Settings(epochs=settings.epochs, patience=settings.patience)
        fitted = training.fit(network, optimiser, objective, limits)
    return network, fitted.best_epoch


def _start_at_principal_axes(network: net.Network, x: NDArray[np.float64], width: int) -> None:
    """Set the linear parts to probabilistic PCA and its posterior."""
    from sklearn.decomposition import PCA

    axes = PCA(width, svd_solver="full").fit(x)
    noise = max(float(axes.noise_variance_), 1e-6)
    loading = axes.components_.T * np.sqrt(np.maximum(axes.explained_variance_ - noise, 0))
    posterior = noise / ((loading**2).sum(axis=0) + noise)  # the loadings are orthogonal
    reading = loading.T * (posterior / noise)[:, None]
    values = {
        "from_latent.weight": loading,
        "from_latent.bias": axes.mean_,
        "to_mean.weight": reading,
        "to_mean.bias": -reading @ axes.mean_,
        "raw_variance": np.log(np.expm1(posterior)),  # the inverse of softplus
        "log_noise": np.log(noise),
    }
    network.load_state_dict({k: torch.as_tensor(v) for k, v in values.items()}, strict=False)
