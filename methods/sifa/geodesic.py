"""Shortest curves on a manifold of any metric, computed numerically.

A geodesic from `a` to `b` solves Hamilton's equations of free motion,

    H(q, p) = p' g(q)^-1 p / 2,    dq/dt = g(q)^-1 p,    dp/dt = -dH/dq,    q(0) = a,  q(1) = b,

a boundary value problem that collocation solves (relaxation from the straight line). H is constant along the
curve, and its length is sqrt(2 H). The derivative of the metric comes from automatic differentiation, so no
Christoffel symbol is written by hand.

`fisher_metric` is the metric of an exponential family p(x) ~ exp(eta' T(x) - A(eta)) in its natural
parameters: the Hessian of the log partition A. The gamma and beta families, whose distances have no closed
form, are two.

References
----------
Ascher, Mattheij and Russell (1995), "Numerical solution of boundary value problems". Amari (2016), chapter 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.float64]
Metric: TypeAlias = Callable[[Tensor], Tensor]
"""theta (d,) -> g (d, d), symmetric and positive definite; differentiable by PyTorch."""


@dataclass(frozen=True)
class Geodesic:
    """Shortest curve between two points.

    Attributes
    ----------
    length : float
        Distance of the ends.
    path : ndarray, shape (points, d)
        Points at equal steps of length, with both ends.
    speed_spread : float
        Largest relative deviation of the speed from its mean along the path; 0 for an exact geodesic.
    """

    length: float
    path: Array
    speed_spread: float


def fisher_metric(log_partition: Callable[[Tensor], Tensor]) -> Metric:
    """Return the Fisher metric of an exponential family in natural parameters.

    Parameters
    ----------
    log_partition : callable
        eta (d,) -> A(eta), a scalar that PyTorch can differentiate three times.
    """
    return torch.func.hessian(log_partition)


def geodesic(
    metric: Metric, a: ArrayLike, b: ArrayLike, *, points: int = 33, tolerance: float = 1e-9
) -> Geodesic:
    """Return the geodesic that relaxation from the straight line finds.

    Where several geodesics join the ends, it is one of them and not surely the shortest. The straight line
    must be inside the parameter space.

    Parameters
    ----------
    metric : callable
        theta (d,) -> g (d, d).
    a, b : array_like, shape (d,)
    points : int
        Points of the path, 2 or more.
    tolerance : float
        Largest relative residual of the differential equation.

    Raises
    ------
    ValueError
        If the ends differ in shape, or no solution within the tolerance is found.
    """
    from scipy.integrate import solve_bvp

    start, end = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if start.ndim != 1 or start.shape != end.shape:
        raise ValueError(
            f"the ends have shapes {start.shape} and {end.shape}; expected two vectors of one length"
        )
    size, share = len(start), np.linspace(0, 1, points)

    def energy(q: Tensor, p: Tensor) -> Tensor:
        return p @ torch.linalg.solve(metric(q), p) / 2

    along = torch.func.vmap(torch.func.grad(energy, argnums=(0, 1)))

    def motion(_: Array, state: Array) -> Array:
        values = torch.from_numpy(np.ascontiguousarray(state.T))
        force, velocity = along(values[:, :size], values[:, size:])
        return np.concatenate([velocity.numpy(), -force.numpy()], axis=1).T

    def ends(left: Array, right: Array) -> Array:
        return np.concatenate([left[:size] - start, right[:size] - end])

    line = start + share[:, None] * (end - start)
    metrics = torch.func.vmap(metric)
    momenta = (metrics(torch.from_numpy(line)).numpy() @ (end - start)[:, None])[:, :, 0]
    with np.errstate(invalid="ignore", over="ignore"):
        solution = solve_bvp(
            motion, ends, share, np.hstack([line, momenta]).T, tol=tolerance, max_nodes=20_000
        )
    if not solution.success:
        raise ValueError(
            f"no geodesic from {start} to {end} was found: {solution.message} "
            "Move the ends together, or raise the tolerance"
        )
    states = torch.from_numpy(np.ascontiguousarray(solution.sol(share).T))
    speeds = np.sqrt(2 * torch.func.vmap(energy)(states[:, :size], states[:, size:]).numpy())
    length = float(speeds.mean())
    spread = float(np.ptp(speeds) / length) if length > 0 else 0.0
    return Geodesic(length, states[:, :size].numpy(), spread)


def curvature(ab: float, ac: float, bc: float, am: float) -> float:
    """Return the curvature of the surface on which four distances agree.

    a, b and c are corners of a triangle and m is the middle of the side bc. On a surface of constant
    curvature K

        cos(k ab) + cos(k ac) = 2 cos(k bc / 2) cos(k am),    k = sqrt(K), cosh for K < 0

    which tends to the parallelogram law for K = 0. Inside of a triangle the curvature must not change.

    Parameters
    ----------
    ab, ac, bc, am : float
        Distances, greater than 0.

    Raises
    ------
    ValueError
        If no curvature in the range of the triangle's size agrees.
    """
    from scipy.optimize import brentq

    longest = max(ab, ac, bc, am)

    def cosine(value: float, side: float) -> float:
        """Return (cos(k side) - 1) / K, which is finite at K = 0."""
        square = value * side**2
        if abs(square) < 1e-6:
            return -(side**2) / 2 * (1 - square / 12)
        return float((np.cos(np.sqrt(square)) if square > 0 else np.cosh(np.sqrt(-square))) - 1) / value

    def fault(value: float) -> float:
        half, middle = cosine(value, bc / 2), cosine(value, am)
        return cosine(value, ab) + cosine(value, ac) - 2 * (half + middle + value * half * middle)

    limit = (np.pi / longest) ** 2 / 2
    try:
        return float(brentq(fault, -limit, limit, xtol=1e-12))
    except ValueError as error:
        raise ValueError(
            f"no curvature between {-limit:.3g} and {limit:.3g} agrees with the distances "
            f"{ab:.6g}, {ac:.6g}, {bc:.6g} and {am:.6g}"
        ) from error
