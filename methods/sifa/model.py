"""One signature for every model that the pipeline sifa trains.

A variant is the whole architecture (``sifa``), the architecture without one of its parts, or a baseline.
`train` sends each set of data to the module of its models.

Layout of `x` by set
--------------------
``digits``, ``digits500``, ``sixnine``
    (rows, 8, 8) pictures with values of 0 to 1.
``signals``
    (rows, 40) points.
``molecules``
    (rows, atoms, 4): atomic number, then coordinates in angstrom; absent atoms are zero.
``solubility``, ``freesolv``
    (rows, atoms, 7 + atoms): the seven features of an atom (number, degree with hydrogen, charge,
    hydrogens, aromatic, in ring, hybridisation), then a code for the bond with each atom: 0 for none, else
    its type of 1 to 4 (4 is aromatic), plus 4 if it is in a ring, plus 8 if it is conjugated. Absent atoms
    are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.float64]

PICTURES = ("digits", "digits500", "sixnine")
"""Sets of pictures whose symmetry is the rotation by a quarter turn."""

GRAPHS = ("solubility", "freesolv")
"""Sets of molecular graphs without coordinates."""


@dataclass(frozen=True)
class Task:
    """Kind of the target; `classes` is 1 for regression."""

    kind: Literal["classification", "regression"]
    classes: int = 1


@dataclass(frozen=True)
class Parts:
    """Parts of the architecture that a model has.

    Attributes
    ----------
    symmetry : bool
        A layer over the group of the set, in place of the trivial group with as many parameters.
    metric : bool
        The temperature of the attention follows a Fisher metric.
    information : bool
        The loss has a term of information regularisation.
    renormalise : bool
        Tokens are also attended to after block coarse-graining.
    symplectic : bool
        Training steps are those of the conformal leapfrog, in place of AdamW.
    """

    symmetry: bool = True
    metric: bool = True
    information: bool = True
    renormalise: bool = True
    symplectic: bool = True


ABLATIONS: Mapping[str, Parts] = {
    "sifa": Parts(),
    "no-symmetry": Parts(symmetry=False),
    "no-metric": Parts(metric=False),
    "no-information": Parts(information=False),
    "no-symplectic": Parts(symplectic=False),
    "no-renormalisation": Parts(renormalise=False),
}
"""Variants of the architecture; every other variant is a baseline."""


@dataclass(frozen=True)
class Settings:
    """Settings of a training that do not depend on the set.

    Attributes
    ----------
    effort : float
        Factor of the number of epochs of every model, greater than 0.
    information : float
        Weight of the information regularisation in the loss, 0 or more.
    rate : float
        Factor of the learning rate of the variants of the architecture, greater than 0.
    friction : float
        Factor of the friction of the conformal leapfrog, greater than 0.
    """

    effort: float = 1.0
    information: float = 0.1
    rate: float = 1.0
    friction: float = 1.0


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes
    ----------
    predict : callable
        x -> (rows, classes) probabilities, or (rows,) means for regression.
    parameters : int
        Number of trained parameters; of a kernel machine, of its stored coefficients.
    flops : int
        Floating-point operations of the prediction of one example (a product and a sum count as two).
    module : torch.nn.Module, optional
        x -> logits or standardised means, for attacks and Fisher matrices; None for a model without gradient.
    losses : tuple of float
        Training loss after each epoch, in nats or squared standard deviations.
    """

    predict: Callable[[Array], Array]
    parameters: int
    flops: int
    module: nn.Module | None = None
    losses: tuple[float, ...] = field(default=())


def train(
    variant: str,
    name_of_set: str,
    x: Array,
    y: NDArray[np.float64] | NDArray[np.int64],
    task: Task,
    *,
    seed: int,
    settings: Settings,
) -> Trained:
    """Train one variant on the training rows of a set.

    Parameters
    ----------
    variant : str
        Key of `ABLATIONS`, or a baseline that makes sense for the set.
    name_of_set : str
        Decides the layout of `x` and the group.
    x : ndarray, shape (rows, ...)
    y : ndarray, shape (rows,)
        Class numbers, or values in the unit of the set.
    task : Task
    seed : int
        Seed of the weights, the batches and every other random choice.
    settings : Settings

    Raises
    ------
    ValueError
        If the set or the variant is unknown, with those that are known.
    """
    arguments = (variant, name_of_set, x, y, task)
    if name_of_set in PICTURES and variant in ABLATIONS:
        from methods.sifa import images

        return images.train(*arguments, seed=seed, settings=settings)
    if name_of_set == "signals" and variant in ABLATIONS:
        from methods.sifa import signals

        return signals.train(*arguments, seed=seed, settings=settings)
    if name_of_set == "molecules":
        from methods.sifa import molecules

        return molecules.train(*arguments, seed=seed, settings=settings)
    if name_of_set in GRAPHS:
        from methods.sifa import molecular_graphs

        return molecular_graphs.train(*arguments, seed=seed, settings=settings)
    if name_of_set in PICTURES or name_of_set == "signals":
        from methods.sifa import baselines

        return baselines.train(*arguments, seed=seed, settings=settings)
    known = ", ".join((*PICTURES, "signals", "molecules", *GRAPHS))
    raise ValueError(f"set '{name_of_set}' is unknown; known sets are {known}")
