"""Learning rates: a cosine with warm-up, and a reduction on a plateau.

    f_t = (t + 1) / T_w                                                           t < T_w
    f_t = floor + (1 - floor) (1 + cos(pi (t - T_w) / (T - T_w))) / 2             beyond

The factor ``f_t`` multiplies the rate that the optimiser was built with.

References
----------
Specification 2 §6.1 as corrected; Loshchilov and Hutter (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up, then half a cosine from 1 to `floor`.

    Attributes
    ----------
    steps : int
        Length ``T`` of the whole schedule; the factor stays at `floor` after it.
    warm_up : int
        Length ``T_w`` of the linear rise.
    floor : float
        Factor at the end, 0 to 1.
    every : int
        Updates per step of the schedule: 1, or the batches of an epoch if the rate changes by epoch.
    """

    steps: int
    warm_up: int = 0
    floor: float = 0.0
    every: int = 1

    def __call__(self, update: int) -> float:
        """Return the factor of the rate at an update, counted from 0."""
        step = update // self.every
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


@dataclass(frozen=True)
class Plateau:
    """Rule that reduces the rate when the validation loss no longer falls.

    The rate is multiplied by `factor` after more than `patience` epochs in a row whose validation loss is
    not below ``(1 - threshold)`` times the lowest one. It is the rule of torch's ``ReduceLROnPlateau``, on
    top of any schedule.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4


@dataclass
class PlateauState:
    """Progress of a `Plateau`: the factor so far, the lowest loss, and its age."""

    scale: float = 1.0
    lowest: float = math.inf
    age: int = 0

    def update(self, rule: Plateau, loss: float) -> None:
        """Record the validation loss of an epoch."""
        if loss < self.lowest * (1 - rule.threshold):
            self.lowest, self.age = loss, 0
        else:
            self.age += 1
        if self.age > rule.patience:
            self.scale, self.age = self.scale * rule.factor, 0
