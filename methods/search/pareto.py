r"""Search over several aims: NSGA-II, weighted sums, measures of a front.

All aims are minimised. A point dominates another if it is at least as good in every aim and better in
one; the front of a set has the points that no other dominates.

NSGA-II (Deb et al. 2002) keeps a population: parents are chosen by rank of non-domination and distance
from their neighbours, recombined and mutated, and the best half of parents and children survives
(specification 3, §7.1). With a single aim the ranks are its order, so the search of a weighted sum
:math:`\sum_i w_i f_i` is the special case of one aim. A weighted sum finds only points of the convex
hull of the front: on a concave front, its ends.

References
----------
Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
Transactions on Evolutionary Computation 6 (2002). Blank and Deb, "pymoo: multi-objective optimization in
Python", IEEE Access 8 (2020). Fonseca, Paquete and López-Ibáñez, "An improved dimension-sweep algorithm
for the hypervolume indicator", CEC 2006. Das, "On characterizing the 'knee' of the Pareto curve based on
normal-boundary intersection", Structural Optimization 18 (1999).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from methods.search.box import box

Floats = NDArray[np.float64]
Objectives = Callable[[Floats], ArrayLike]
"""Function of one point, (d,), to its aims, (m,); or of many points, (n, d), to (n, m)."""


@dataclass(frozen=True)
class Front:
    """Points that no evaluated point dominates, in the order of the first aim.

    Attributes
    ----------
    x : (k, d) float
    f : (k, m) float
        Aims of each point, to be minimised.
    """

    x: Floats
    f: Floats


def nsga2(
    objectives: Objectives, bounds: ArrayLike, *, evaluations: int, population: int, seed: int
) -> Front:
    """Minimise several aims by NSGA-II, with the operators and settings of pymoo.

    Parameters
    ----------
    objectives : callable
        Takes one point, (d,), and returns its aims, (m,). A function that takes only many points,
        (n, d), and returns (n, m), is called once a generation.
    bounds : (d, 2) or (2, d) array_like
        Lowest and highest value of each variable, as pairs or as two rows. Two pairs if it is 2 x 2.
    evaluations : int
        Maximum number of points; whole generations of `population` are run, at least one.
    population : int
        Points of a generation, at least 2.
    seed : int

    Returns
    -------
    Front
        The non-dominated points of the last population.

    Raises
    ------
    ValueError
        If the bounds or the sizes are invalid, or an aim is not finite.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.problem import Problem
    from pymoo.problems.static import StaticProblem

    low, high = box(bounds)
    if population < 2 or evaluations < population:
        raise ValueError(
            f"nsga2: {evaluations} evaluations in populations of {population}; "
            "expected a population of at least 2 and at least as many evaluations"
        )
    algorithm = NSGA2(pop_size=population)
    problem = Problem(n_var=len(low), xl=low, xu=high)
    algorithm.setup(problem, termination=("n_gen", evaluations // population), seed=seed)
    while algorithm.has_next():
        points = algorithm.ask()
        x = points.get("X").astype(float)
        values = _checked(_of_many(objectives, x), len(x))
        problem.n_obj = values.shape[1]
        Evaluator().eval(StaticProblem(problem, F=values), points)
        algorithm.tell(infills=points)
    return front(algorithm.pop.get("X").astype(float), algorithm.pop.get("F").astype(float))


def weighted(objectives: Objectives, weights: ArrayLike) -> Objectives:
    """Return the one aim `sum_i w_i f_i`, the scalarisation of several.

    Parameters
    ----------
    objectives : callable
        As for `nsga2`.
    weights : (m,) array_like
        At least 0, with sum 1.
    """
    w = np.asarray(weights, float)
    if (w < 0).any() or abs(w.sum() - 1) > 1e-9:
        raise ValueError(f"weighted: the weights are {w.tolist()}; expected numbers >= 0 with sum 1")
    return lambda x: (np.asarray(objectives(x), float) @ w)[..., None]


def front(x: ArrayLike, f: ArrayLike) -> Front:
    """Return the points that no other dominates, without repetitions of equal aims."""
    from moocore import is_nondominated

    points, values = np.asarray(x, float), np.asarray(f, float)
    keep = np.flatnonzero(is_nondominated(values, keep_weakly=False))
    keep = keep[np.lexsort(values[keep].T[::-1])]
    return Front(points[keep], values[keep])


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Compute the volume that points dominate, up to a reference point.

    Parameters
    ----------
    points : (n, m) array_like
        Aims, to be minimised. A point that is not below the reference in every aim adds nothing.
    reference : (m,) array_like

    Raises
    ------
    ValueError
        If the shapes differ or a number is not finite.
    """
    from moocore import hypervolume as volume

    values, corner = np.asarray(points, float), np.asarray(reference, float)
    if values.size == 0:
        return 0.0
    if values.ndim != 2 or corner.shape != values.shape[1:]:
        raise ValueError(
            f"hypervolume: points of shape {values.shape} and a reference of shape {corner.shape}; "
            "expected (n, m) and (m,)"
        )
    if not (np.isfinite(values).all() and np.isfinite(corner).all()):
        raise ValueError("hypervolume: a point or the reference has a number that is not finite")
    if values.shape[1] == 1:  # moocore needs two aims
        return float(max(corner[0] - values.min(), 0.0))
    return float(volume(values, ref=corner))


def knee(f: ArrayLike) -> int:
    """Return the index of the knee of a front.

    A gain in one aim costs most there in the others. The aims are scaled to 0..1 over the front. The
    knee is the point farthest below the plane through the best point of each aim; if there is no such
    plane, or no point below it, the point nearest to the ideal.

    Parameters
    ----------
    f : (k, m) array_like
        Aims of the points of a front, to be minimised.
    """
    values = np.asarray(f, float)
    low, spread = values.min(axis=0), np.ptp(values, axis=0)
    scaled = (values - low) / np.where(spread > 0, spread, 1.0)
    nearest = int(np.argmin(np.linalg.norm(scaled, axis=1)))
    # Ties in an aim are broken by the others: the end of a front, not a point beside it.
    ends = [int(np.lexsort((scaled.sum(axis=1), scaled[:, j]))[0]) for j in range(values.shape[1])]
    try:
        normal = np.linalg.solve(scaled[ends], np.ones(values.shape[1]))
    except np.linalg.LinAlgError:
        return nearest
    distance = (1 - scaled @ normal) / np.linalg.norm(normal)
    best = int(np.argmax(distance))
    return best if distance[best] > 1e-12 and (normal > 0).all() else nearest


def _of_many(objectives: Objectives, x: Floats) -> Floats:
    """Return the aims of many points, by a function of one point or of many."""
    try:
        first = objectives(x[0].copy())
    except IndexError:  # it indexes points[:, j]
        return np.asarray(objectives(x), float)
    every = [first, *(objectives(row.copy()) for row in x[1:])]
    return np.array([np.ravel(np.asarray(aims, float)) for aims in every])


def _checked(values: Floats, points: int) -> Floats:
    if values.ndim != 2 or len(values) != points:
        raise ValueError(
            f"nsga2: the objectives return shape {values.shape} for {points} points; "
            f"expected ({points}, number of aims)"
        )
    if not np.isfinite(values).all():
        raise ValueError("nsga2: an aim is not finite; return a large number for an invalid point")
    return values
