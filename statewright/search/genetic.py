r"""Genetic search of a mixed space (specification 5, "Genetic algorithm layer").

.. math::
    P_{t+1} = \mathrm{Elite}(P_t) \cup \mathrm{Mutate}(\mathrm{Crossover}(\mathrm{Select}(P_t)))

on the unit cube of `space.to_unit`, one gene an entry.

**Select** is a tournament: the best of `TOURNAMENT` individuals drawn at random. The specification names
it beside "P(individual) proportional to F(individual)", which is another selection. That one needs
positive fitness, gives other probabilities when a constant is added to it, and hardly selects once the
values of a population are close to each other. A tournament uses ranks only: every increasing transformation
of the value gives the same search, and a failed trial is just the last.

**Crossover** is BLX-alpha: a child's gene is uniform on the interval of its parents' genes, extended by
alpha times its length on both sides. Blending as the specification writes it,
:math:`\alpha\theta_1 + (1-\alpha)\theta_2` with alpha in [0, 1], keeps the mean of a population and
multiplies its variance by :math:`1 - 2 E[\alpha(1-\alpha)] = 2/3` a generation, so it contracts to the mean
without any selection. For BLX-alpha the factor is

.. math::
    \frac{1}{2} + \frac{(1 + 2\alpha)^2}{6}

which is 1 at alpha = 0.366 and 1.17 at 0.5. A gene of a choice is that of one parent.

**Mutate** adds Gaussian noise to a gene with probability 1/d; the step is log-uniform between `STEPS`,
so that both jumps and refinements occur. A choice mutates to another of its values.

**Elite**: the best individuals survive unchanged.

References
----------
Eshelman and Schaffer, "Real-coded genetic algorithms and interval-schemata", Foundations of Genetic
Algorithms 2 (1993). Goldberg and Deb, "A comparative analysis of selection schemes used in genetic
algorithms", Foundations of Genetic Algorithms 1 (1991). Mühlenbein and Schlierkamp-Voosen, "Predictive
models for the breeder genetic algorithm", Evolutionary Computation 1 (1993), for the steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from statewright.search.sampler import Proposals, cost
from statewright.search.space import Choice, Config, Floats, Space, from_unit, levels, to_unit

TOURNAMENT = 3
ALPHA = 0.5
STEPS = (1e-4, 0.2)
CROSSOVER = 0.9
"""Probability that a child has two parents."""
ELITE = 0.1
"""Share of the population that survives, at least one individual."""
ATTEMPTS = 10
"""Children that are made before a config is proposed twice."""


class Individual(NamedTuple):
    """A point of the unit cube, NaN where an entry is absent, and its cost."""

    genes: Floats
    cost: float


class Genetic:
    """Genetic search by `ask` and `tell`; minimises.

    A generation is complete when `population` minus the elite were told, in any order. Until the first
    one is, proposals are a Latin hypercube, then random points.

    Parameters
    ----------
    population : int
        Number of individuals, at least 2.
    seed : int
        At least 0.

    Raises
    ------
    ValueError
        If the space, the population or the seed is not valid.
    """

    def __init__(self, space: Space, *, population: int = 20, seed: int = 0) -> None:
        if not isinstance(population, int | np.integer) or population < 2:
            raise ValueError(f"the population is {population!r}; expected a whole number of at least 2")
        self._proposals = Proposals(space, seed)
        self._space = self._proposals.space
        self._population = int(population)
        self._elite = max(round(ELITE * population), 1)
        self._choices = np.array([isinstance(entry, Choice) for entry in self._space.values()])
        self._levels = np.array([levels(entry) for entry in self._space.values()])
        self._design = latin_hypercube(self._population, len(self._space), np.random.default_rng(seed))
        self._parents: list[Individual] = []
        self._costs = np.empty(0)
        self._children: list[Individual] = []

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        rng = self._proposals.rng()
        config: Config = {}
        for attempt in range(ATTEMPTS):
            # The last attempts are random: children of a population that has converged are its copies.
            config = from_unit(self._space, self._propose(rng, attempt >= ATTEMPTS // 2))
            if self._proposals.is_new(config):
                break
        return self._proposals.add(config)

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config; NaN, infinity or None is a failed trial.

        Raises
        ------
        ValueError
            If the config is not in the space, or the value is not a number.
        """
        number = cost(value)
        self._proposals.remove(config)
        self._children.append(Individual(to_unit(self._space, config, absent=math.nan), number))
        if len(self._children) >= self._population - (self._elite if self._parents else 0):
            # Sorting keeps the order of equals, so the older one survives.
            elite = sorted(self._parents, key=lambda individual: individual.cost)[: self._elite]
            self._parents, self._children = elite + self._children, []
            self._costs = np.array([individual.cost for individual in self._parents])

    @property
    def parents(self) -> tuple[Individual, ...]:
        """Return the last complete generation; nothing until there is one."""
        return tuple(self._parents)

    def _propose(self, rng: np.random.Generator, at_random: bool) -> Floats:
        if not self._parents:
            number = self._proposals.count
            if number < len(self._design) and not at_random:
                return self._design[number]
        if not self._parents or at_random:
            return rng.random(len(self._space))
        first, second = (self._parents[tournament(self._costs, rng)].genes for _ in range(2))
        genes = crossover(first, second, self._choices, rng) if rng.random() < CROSSOVER else first
        genes = np.where(np.isnan(genes), rng.random(len(genes)), genes)
        return mutate(genes, self._levels, self._choices, rng)


def default_population(budget: int) -> int:
    """Return a population for a number of evaluations.

    The root of twice the number, from 6 to 30. On BBOB in five dimensions with 1,500 evaluations, 20 and 30
    are each better on some functions; 12 and 14 are worse on most.
    """
    return min(max(round(math.sqrt(2 * budget)), 6), 30)


def latin_hypercube(count: int, dimensions: int, rng: np.random.Generator) -> Floats:
    """Draw points of the unit cube, one in each of `count` slices of each axis.

    Returns
    -------
    float array, (count, dimensions)
    """
    slices = rng.permuted(np.tile(np.arange(count), (dimensions, 1)), axis=1).T
    return (slices + rng.random((count, dimensions))) / count


def tournament(costs: Floats, rng: np.random.Generator) -> int:
    """Return the position of the least of `TOURNAMENT` costs drawn with replacement.

    The i-th best of n is chosen with probability :math:`((n - i + 1)^k - (n - i)^k) / n^k`.
    """
    drawn = rng.integers(len(costs), size=TOURNAMENT)
    return int(drawn[costs[drawn].argmin()])


def crossover(
    first: Floats, second: Floats, choices: NDArray[np.bool_], rng: np.random.Generator, alpha: float = ALPHA
) -> Floats:
    """Return a child of two points by BLX-alpha, (d,), each gene within [0, 1].

    Parameters
    ----------
    first, second : float array, (d,)
        Points of the unit cube, NaN where an entry is absent.
    choices : bool array, (d,)
        Genes to take from one parent instead.
    alpha : float
        At least 0; 0 is the interval between the parents.

    Returns
    -------
    float array, (d,)
        NaN where both parents are. A gene that one parent lacks is that of the other.
    """
    second = np.where(np.isnan(second), first, second)
    first = np.where(np.isnan(first), second, first)
    shares = rng.uniform(-alpha, 1 + alpha, len(first))
    blended = _reflect(first + shares * (second - first))
    return np.where(choices, np.where(rng.random(len(first)) < 0.5, first, second), blended)


def mutate(genes: Floats, levels: Floats, choices: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Return a point with each gene changed with probability 1/d.

    Parameters
    ----------
    genes : float array, (d,)
        A point of the unit cube.
    levels : float array, (d,)
        Number of values of each entry, infinite for a float.
    choices : bool array, (d,)
        Genes of choices.
    """
    changed = rng.random(len(genes)) < 1 / len(genes)
    if not changed.any():
        return genes
    steps = np.exp(rng.uniform(math.log(STEPS[0]), math.log(STEPS[1]), len(genes)))
    # A smaller step would not reach the next integer.
    steps = np.maximum(steps, 1 / levels)
    moved = _reflect(genes + steps * rng.standard_normal(len(genes)))
    # A choice has no neighbours: any other of its values, by a shift of 1 to n - 1 places.
    count = np.where(choices, levels, 1)
    shifted = (genes + np.floor(1 + rng.random(len(genes)) * (count - 1)) / count) % 1
    return np.where(changed, np.where(choices, shifted, moved), genes)


def _reflect(genes: Floats) -> Floats:
    """Return genes outside [0, 1] mirrored at the bound that they crossed."""
    # Those inside are returned exactly, so that a copy is recognised.
    return np.where((genes < 0) | (genes > 1), 1 - np.abs(1 - np.abs(genes) % 2), genes)
