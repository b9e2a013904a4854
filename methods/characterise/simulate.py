"""Tables of a known family, to measure how often it is recognised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.characterise.families import Family

Floats = NDArray[np.float64]

FAMILIES: tuple[Family, ...] = ("normal", "student", "mixture", "factors")
DEGREES, COMPONENTS, FACTORS = 5.0, 3, 2


def draw(family: Family, rows: int, *, columns: int = 6, seed: int) -> Floats:
    """Draw a table.

    Parameters
    ----------
    family : str
        ``student`` has 5 degrees of freedom, ``mixture`` 3 components whose means have a standard
        deviation of 2.5, ``factors`` 2 factors. Covariances and loadings are random.
    rows : int
    columns : int
        At least 5 for ``factors``, where fewer cannot be distinguished from the normal law.
    seed : int

    Returns
    -------
    ndarray of shape (rows, columns)
    """
    random = np.random.default_rng(seed)
    if family == "factors":
        loadings = random.normal(size=(columns, FACTORS))
        noise = np.sqrt(random.uniform(0.3, 1.0, size=columns))
        return np.asarray(
            random.normal(size=(rows, FACTORS)) @ loadings.T + noise * random.normal(size=(rows, columns))
        )
    if family == "mixture":
        means = 2.5 * random.normal(size=(COMPONENTS, columns))
        roots = np.array([_root(columns, random) for _ in range(COMPONENTS)])
        label = random.integers(COMPONENTS, size=rows)
        noise = random.normal(size=(rows, columns))
        return np.asarray(means[label] + np.einsum("nij,nj->ni", roots[label], noise))
    values = random.normal(size=(rows, columns)) @ _root(columns, random).T
    if family == "student":
        values = values / np.sqrt(random.chisquare(DEGREES, size=rows) / DEGREES)[:, None]
    return np.asarray(values)


def _root(columns: int, random: np.random.Generator) -> Floats:
    """Return the Cholesky factor of a random covariance."""
    factor = random.normal(size=(columns, columns))
    return np.asarray(np.linalg.cholesky(factor @ factor.T / columns + 0.3 * np.eye(columns)))
