r"""Information regularisation: terms of a loss that measure dependence.

`dependence` is the Hilbert-Schmidt independence criterion of two sets of rows, normalised,

.. math::
    D(A, B) = \frac{\langle \tilde K, \tilde L \rangle}{\|\tilde K\| \, \|\tilde L\|}, \quad
    K_{ij} = \exp(-\|a_i - a_j\|^2 / s_a), \quad s_a = \text{mean}_{i \ne j} \|a_i - a_j\|^2

with U-centred matrices, so that its mean is 0 for independent rows. In the population it is 0 exactly where
A and B are independent, and 1 where the kernels agree.

It is a measure of *dependence*, not mutual information: a deterministic layer has infinite mutual
information with its input, but a finite dependence that training can lower. `bottleneck` lowers the
dependence of a representation on its input and keeps that on the target, which removes what the target does
not need (nuisance), and with it part of the effect of small changes of the input.

References
----------
Specification 4, §5.3 and §6.4 (information regularisation). Gretton et al., "Measuring statistical
dependence with Hilbert-Schmidt norms", ALT (2005). Song et al., "Feature selection via dependence
maximization", JMLR 13 (2012): the unbiased form. Ma, Lewis and Kleijn, "The HSIC bottleneck", AAAI (2020).
Wang et al., "Revisiting Hilbert-Schmidt information bottleneck for adversarial robustness", NeurIPS (2021).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

FEWEST = 4


def bottleneck(
    representation: Tensor, x: Tensor, y: Tensor, *, classes: int = 1, keep: float = 1.0
) -> Tensor:
    r"""Return ``D(representation, x) - keep * D(representation, y)``, to be minimised.

    Parameters
    ----------
    representation : (n, width) float
        Of the rows of one batch, after pooling.
    x : (n, ...) float
        Inputs; no gradient flows into them.
    y : (n,)
        Class numbers if `classes` is above 1, else values.
    classes : int
        Number of classes, 1 for a regression.
    keep : float
        Weight of the dependence on the target, 0 or more.

    Returns
    -------
    scalar
        About -keep to 1; 0 for a last batch of fewer than 4 rows, from which nothing can be measured.
    """
    if len(representation) < FEWEST:
        return representation.sum() * 0
    target = one_hot(y.long(), classes) if classes > 1 else y
    target = target.reshape(len(y), -1).to(representation)
    kernel = centred_kernel(representation)
    inputs = centred_kernel(x.detach().flatten(1).to(representation))
    return _cosine(kernel, inputs) - keep * _cosine(kernel, centred_kernel(target))


def dependence(a: Tensor, b: Tensor) -> Tensor:
    """Return the normalised dependence of two sets of rows, differentiable.

    Parameters
    ----------
    a : (n, p) float
    b : (n, q) float
        At least 4 rows. Only differences within a set matter; a common scale does not.

    Returns
    -------
    scalar
        At most 1, about 0 for independent rows (below 0 by chance), and 0 if a or b is constant.

    Raises
    ------
    ValueError
        If the numbers of rows differ or there are fewer than 4.
    """
    if len(a) != len(b):
        raise ValueError(f"there are {len(a)} and {len(b)} rows; expected equal numbers")
    return _cosine(centred_kernel(a), centred_kernel(b))


def centred_kernel(rows: Tensor) -> Tensor:
    r"""Return the U-centred Gaussian kernel of rows.

    .. math::
        \tilde K_{ij} = K_{ij} - \frac{K_{i \cdot} + K_{\cdot j}}{n - 2}
        + \frac{K_{\cdot \cdot}}{(n - 1)(n - 2)} \quad (i \ne j), \qquad \tilde K_{ii} = 0

    where the diagonal of K counts as 0.
    """
    n = len(rows)
    if n < FEWEST:
        raise ValueError(f"there are {n} rows; expected at least {FEWEST} in a batch")
    other = 1 - torch.eye(n, dtype=rows.dtype, device=rows.device)
    centred = _unit_size(rows.reshape(n, -1))
    squares = centred.square().sum(dim=1)
    # The product form needs (n, n) numbers only; rounding may make a distance negative.
    distance = (squares[:, None] + squares[None, :] - 2 * centred @ centred.T).clamp_min(0) * other
    # Of rows of unit size it is 2 n / (n - 1); it is lower only where all rows are equal.
    scale = (distance.sum() / (n * (n - 1))).clamp_min(1)
    kernel = torch.exp(-distance / scale) * other
    sums = kernel.sum(dim=1)
    centred_values = kernel - (sums[:, None] + sums[None, :]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    return centred_values * other


def _unit_size(flat: Tensor) -> Tensor:
    """Centre rows and divide them by their size.

    Rows that are equal up to rounding become 0.

    The size is a constant for the gradient. The kernel divides by the mean distance, so neither its value
    nor its gradient depends on the size: this only keeps small numbers away from the smallest float.
    """
    centred = flat - flat.mean(dim=0)
    size = centred.detach().square().sum(dim=1).mean().sqrt()
    rounding = 8 * torch.finfo(flat.dtype).eps * flat.detach().abs().max()
    return torch.where(size > rounding, centred / size.clamp_min(1e-30), torch.zeros_like(centred))


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    # Below this the norm is the rounding of a constant kernel.
    smallest = len(left) * 8 * torch.finfo(left.dtype).eps
    norms = [kernel.square().sum().clamp_min(smallest**2).sqrt() for kernel in (left, right)]
    return (left * right).sum() / (norms[0] * norms[1])
