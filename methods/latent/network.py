"""A variational auto-encoder, and its evidence lower bound.

``z ~ N(0, I)`` and ``x | z ~ N(f(z), s2 I)``. The encoder gives ``q(z | x) = N(m(x), diag(v(x)))``. The
bound of one row is ``E_q log p(x | z) - KL(q || p)`` (Kingma and Welling, 2014), summed over features,
with ``KL = -1/2 sum(1 + log v - m^2 - v)``. The observation variance ``s2`` is learned: fixed at 1, it
would leave most latent dimensions unused (Lucas et al., 2019).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LOG_2PI = math.log(2 * math.pi)


class Network(nn.Module):
    """Encoder, decoder and observation variance, in double precision.

    With hidden units, the decoder is a linear map plus a perceptron whose output starts at 0, and so is
    the mean of the encoder.

    Parameters
    ----------
    features, width : int
        Observed and latent dimensions.
    hidden : int
        Units of each of two hidden layers; 0 makes both maps linear, and ``v`` the same for all rows.
    """

    def __init__(self, features: int, width: int, hidden: int) -> None:
        super().__init__()
        self.is_linear = hidden == 0
        self.to_mean = nn.Linear(features, width)
        self.from_latent = nn.Linear(width, features)
        # softplus(0.54) is 1, the variance of the prior
        self.raw_variance = nn.Parameter(torch.full((width,), 0.54))
        self.log_noise = nn.Parameter(torch.zeros(()))
        if hidden:
            self.read = _perceptron(features, hidden, 2 * width)
            self.write = _perceptron(width, hidden, features)
        self.double()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and variances of ``q(z | x)``, shape (rows, width)."""
        mean = self.to_mean(x)
        if self.is_linear:
            return mean, nn.functional.softplus(self.raw_variance).expand_as(mean)
        shift, raw = self.read(x).chunk(2, dim=-1)
        return mean + shift, nn.functional.softplus(self.raw_variance + raw) + 1e-8

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of ``p(x | z)``, shape (..., features)."""
        mean: Tensor = self.from_latent(z)
        return mean if self.is_linear else mean + self.write(z)


def _perceptron(inputs: int, units: int, outputs: int) -> nn.Module:
    last = nn.Linear(units, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, units), nn.SiLU(), nn.Linear(units, units), nn.SiLU(), last)


def kl_divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """Return ``KL(N(mean, diag(variance)) || N(0, I))`` in nats, shape (rows, width).

    The divergence is ``-1/2 (1 + log v - m^2 - v)`` in each latent dimension.
    """
    return -0.5 * (1 + variance.log() - mean**2 - variance)


def evidence_bound(network: Network, x: Tensor, draws: Tensor, kl_weight: float) -> Tensor:
    """Return the bound of each row in nats, shape (rows,).

    Parameters
    ----------
    draws : Tensor
        Standard normal draws of shape (rows, width). A linear decoder does not use them: the expected
        squared error is ``||x - f(m)||^2 + sum_j v_j ||w_j||^2`` exactly.
    kl_weight : float
        Weight of the divergence, in [0, 1]; below 1 during the warm-up only.
    """
    mean, variance = network.encode(x)
    if not network.is_linear:
        error = ((x - network.decode(mean + variance.sqrt() * draws)) ** 2).sum(-1)
    else:
        squares = (network.from_latent.weight**2).sum(0)
        error = ((x - network.decode(mean)) ** 2).sum(-1) + variance @ squares
    fit = -0.5 * (x.shape[1] * (LOG_2PI + network.log_noise) + error / network.log_noise.exp())
    return fit - kl_weight * kl_divergence(mean, variance).sum(-1)


def exact_log_likelihood(network: Network, x: Tensor) -> Tensor:
    """Return ``log N(x; b, W W' + s2 I)`` in nats, shape (rows,)."""
    weight = network.from_latent.weight
    covariance = weight @ weight.T + network.log_noise.exp() * torch.eye(len(weight), dtype=x.dtype)
    normal = torch.distributions.MultivariateNormal(network.from_latent.bias, covariance)
    return normal.log_prob(x)


def importance_bound(network: Network, x: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Return the importance-weighted bound in nats, shape (rows,).

    The bound is ``log 1/K sum_k p(x, z_k) / q(z_k | x)`` with ``z_k ~ q`` and K ``samples``. It rises to
    the log likelihood as K grows (Burda, Grosse and Salakhutdinov, 2016).
    """
    rows = []
    for part in x.split(max(1, 200_000 // samples)):
        mean, variance = network.encode(part)
        draws = torch.randn((samples, *mean.shape), generator=generator, dtype=x.dtype)
        z = mean + variance.sqrt() * draws
        error = ((part - network.decode(z)) ** 2).sum(-1)
        log_x = -0.5 * (x.shape[1] * (LOG_2PI + network.log_noise) + error / network.log_noise.exp())
        log_ratio = -0.5 * (z**2 - draws**2 - variance.log()).sum(-1)
        rows.append(torch.logsumexp(log_x + log_ratio, 0) - math.log(samples))
    return torch.cat(rows)
