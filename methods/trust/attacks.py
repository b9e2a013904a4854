r"""Attacks on predictions: the worst input within a radius of a given one.

.. math:: \max_{\|\delta\|_p \le \epsilon} L(f(x + \delta), y)

The fast gradient sign method is one step; projected gradient ascent takes many, from several starts, and
keeps the worst point of each example. The loss of a classifier is the margin

.. math:: \max_{j \ne y} z_j - z_y

of the logits, which is above 0 exactly where the class is wrong. Its gradient stays of the order of the
weights where cross-entropy saturates: a model that is sure of itself is not safe because of that.

References
----------
Specification 3, §8.1. Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples",
ICLR (2015). Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR (2018).
Carlini and Wagner, "Towards evaluating the robustness of neural networks", S&P (2017): the margin.
Gowal et al., "An alternative surrogate loss for PGD-based adversarial testing" (2019): one class a start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

Model = Callable[[Tensor], Tensor]
NORMS = ("inf", "2")


@dataclass(frozen=True)
class Ball:
    """The inputs that an attack may use: near the given one, and within a range.

    Attributes
    ----------
    radius : float or (p,) tensor
        Largest change, >= 0; for norm "inf" it may differ between features, such as standard deviations.
    norm : str
        "inf" or "2".
    low, high : float or (p,) tensor
        Range of each feature. A given input outside it is first moved inside.
    """

    radius: float | Tensor
    norm: str = "inf"
    low: float | Tensor = -torch.inf
    high: float | Tensor = torch.inf

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"norm is {self.norm!r}; expected one of {', '.join(NORMS)}")
        if bool((torch.as_tensor(self.radius) < 0).any()):
            raise ValueError(f"radius is {self.radius}; expected 0 or more")
        if self.norm == "2" and torch.as_tensor(self.radius).ndim:
            raise ValueError("a radius per feature needs norm 'inf'; scale the features for norm '2'")

    def inside(self, point: Tensor, centre: Tensor) -> Tensor:
        """Project points into the ball about their centres, then into the range."""
        change = point - centre
        if self.norm == "inf":
            change = torch.clamp(change, -_like(self.radius, centre), _like(self.radius, centre))
        else:
            length = _rows(change).norm(dim=1).clamp_min(1e-30)
            shrink = (_like(self.radius, centre) / length).clamp_max(1.0)
            change = change * _column(shrink, change)
        # The centre is within the range, so clipping never leaves the ball.
        return self.clip(centre + change)

    def clip(self, point: Tensor) -> Tensor:
        """Move points into the range of each feature."""
        return torch.clamp(point, _like(self.low, point), _like(self.high, point))

    def start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        """Return uniformly random points of the ball."""
        noise = torch.randn(centre.shape, generator=generator, dtype=torch.float64).to(centre)
        if self.norm == "inf":
            uniform = torch.rand(centre.shape, generator=generator, dtype=torch.float64).to(centre)
            change = (2 * uniform - 1) * _like(self.radius, centre)
        else:
            features = _rows(centre).shape[1]
            share = torch.rand(len(centre), generator=generator, dtype=torch.float64).to(centre)
            length = share ** (1 / features) * _like(self.radius, centre)
            change = noise * _column(length / _rows(noise).norm(dim=1).clamp_min(1e-30), centre)
        return self.inside(centre + change, centre)

    def step(self, gradient: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Return the steepest step of a length of `share` radii.

        Where the loss is flat, as behind units that are off, the direction is random.
        """
        flat = (_rows(gradient) == 0).all(dim=1)
        if bool(flat.any()):
            noise = torch.randn(gradient.shape, generator=generator, dtype=torch.float64).to(gradient)
            gradient = torch.where(_column(flat, gradient), noise, gradient)
        if self.norm == "inf":
            return share * _like(self.radius, gradient) * gradient.sign()
        length = _rows(gradient).norm(dim=1).clamp_min(1e-30)
        return share * _like(self.radius, gradient) * gradient / _column(length, gradient)


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Return by how much the best other class exceeds the given one.

    Parameters
    ----------
    logits : (n, classes) float
    y : (n,) int

    Returns
    -------
    (n,) float
        Above 0 where the class is wrong.
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits have shape {tuple(logits.shape)}; expected (n, classes) with 2 or more")
    given = logits.gather(1, y[:, None])[:, 0]
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.amax(dim=1) - given


def fgsm(model: Model, x: Tensor, y: Tensor, *, radius: float) -> Tensor:
    r"""Return ``x + radius * sign(gradient)``: one step that increases the margin.

    Parameters
    ----------
    model : callable
        From (n, ...) inputs to (n, classes) logits.
    x : (n, ...) float
    y : (n,) int
    radius : float
        >= 0, largest change of a feature.
    """
    with frozen(model):
        start = torch.as_tensor(x)
        return start + radius * _gradient(lambda point: margin(model(point), y), start).sign()


def pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    radius: float,
    steps: int,
    restarts: int,
    norm: str = "inf",
    seed: int,
    bounds: tuple[float, float] | None = None,
) -> Tensor:
    """Return the worst inputs that projected gradient ascent finds.

    The first ascent starts at x and increases the margin; each later one starts at a random point of the
    ball and moves towards one other class, from the most likely on x downwards.

    Parameters
    ----------
    model : callable
        From (n, ...) inputs to (n, classes) logits. A module is used in evaluation mode.
    x : (n, ...) float
    y : (n,) int
        True classes.
    radius : float
        >= 0. For 0 the result is x.
    steps, restarts : int
        Gradients of an ascent, and ascents, at least 1 each.
    norm : str
        "inf" or "2".
    seed : int
    bounds : (float, float), optional
        Range of every feature.

    Returns
    -------
    (n, ...) float
        Per example, the point of the largest margin among all steps of all restarts.
    """
    low, high = bounds or (-torch.inf, torch.inf)
    labels = torch.as_tensor(y)
    with frozen(model):
        with torch.no_grad():
            clean = model(torch.as_tensor(x))
        ranked = clean.scatter(1, labels[:, None], -torch.inf).argsort(dim=1, descending=True)

        def towards(restart: int) -> Callable[[Tensor], Tensor]:
            if restart == 0:
                return lambda point: margin(model(point), labels)
            target = ranked[:, (restart - 1) % (clean.shape[1] - 1)]

            def loss(point: Tensor) -> Tensor:
                logits = model(point)
                return (logits.gather(1, target[:, None]) - logits.gather(1, labels[:, None]))[:, 0]

            return loss

        return maximise(
            towards(0), torch.as_tensor(x), Ball(radius, norm, low, high),
            steps=steps, restarts=restarts, seed=seed, surrogate=towards,
        )  # fmt: skip


def maximise(
    loss: Callable[[Tensor], Tensor],
    x: Tensor,
    ball: Ball,
    *,
    steps: int,
    restarts: int,
    seed: int,
    surrogate: Callable[[int], Callable[[Tensor], Tensor]] | None = None,
) -> Tensor:
    """Return, per example, the point of a ball with the largest loss that was found.

    Steps shrink linearly, so that an ascent crosses the ball first and settles later: from one radius after
    a random start, from two after x itself, which lies farther from the corners.

    Parameters
    ----------
    loss : callable
        From (n, ...) inputs to (n,) losses; the loss of a row depends on that row only.
    x : (n, ...) float
    ball : Ball
    steps, restarts : int
    seed : int
    surrogate : callable, optional
        Loss that the gradients of a restart are taken of; by default `loss`.
    """
    if steps < 1 or restarts < 1:
        raise ValueError(f"steps {steps} and restarts {restarts}; expected at least 1 of each")
    generator = torch.Generator().manual_seed(seed)
    centre = ball.clip(x.detach())
    with torch.no_grad():
        worst, found = loss(centre), centre.clone()
    for restart in range(restarts):
        guide = surrogate(restart) if surrogate else loss
        point = centre if restart == 0 else ball.start(centre, generator)
        for step in range(steps):
            share = (1 if restart else 2) * (1 - step / steps)
            point = ball.inside(point + ball.step(_gradient(guide, point), share, generator), centre)
            with torch.no_grad():
                value = loss(point)
            better = value > worst
            worst = torch.where(better, value, worst)
            found = torch.where(_column(better, point), point, found)
    return found


@contextmanager
def frozen(model: Model) -> Iterator[None]:
    """Use a module in evaluation mode; restore its mode at the end."""
    training = isinstance(model, nn.Module) and model.training
    if training:
        model.eval()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if training:
            model.train()  # type: ignore[attr-defined]


def accuracy(model: Model, x: Tensor, y: Tensor) -> float:
    """Return the share of rows with a margin below 0, so that ties count as errors."""
    with frozen(model), torch.no_grad():
        return float((margin(model(x), torch.as_tensor(y)) < 0).double().mean())


def _gradient(loss: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    """Return the gradient with respect to the inputs; parameters get none."""
    with torch.enable_grad():
        leaf = point.detach().requires_grad_()
        return torch.autograd.grad(loss(leaf).sum(), leaf)[0]


def _rows(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _like(value: float | Tensor | np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)
