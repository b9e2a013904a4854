"""Contract of the output of one cell of sifa-optimisers."""

from __future__ import annotations

from statewright.contracts import Document


class SearchResult(Document):
    """Choice of one search at one budget, and its losses with other seeds.

    `validation` is the loss that made the choice. `test` has the test loss by seed, in nats or half squared
    standard deviations, null where the training diverged; `mean`, `lower` and `upper` are its mean and the
    95 % interval (Student's t), null if any diverged. `train` is the mean loss of the training rows.
    `diverged` counts the trials of the search whose loss was not finite. All but `budget` are null or empty
    if every trial diverged.
    """

    budget: int
    rate: float | None
    momentum: float | None
    damping: float | None
    validation: float | None
    test: list[float | None]
    mean: float | None
    lower: float | None
    upper: float | None
    train: float | None
    diverged: int


class Comparison(Document):
    """Results of one optimiser on one task, by budget of gradient evaluations."""

    task: str
    optimiser: str
    parameters: int
    trials: int
    budgets: list[SearchResult]
