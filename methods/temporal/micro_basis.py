"""Basis functions over a song: polynomials, and contrasts of kinds of sections."""

from __future__ import annotations

import numpy as np

from methods.temporal.panel import Floats


def polynomials(sections: int, degree: int) -> Floats:
    """Compute orthogonal polynomials over equally spaced sections.

    They have mean square 1; column 0 is ones.
    """
    section = np.linspace(-1, 1, sections)
    columns, triangle = np.linalg.qr(np.vander(section, degree + 1, increasing=True))
    return columns * np.sign(np.diag(triangle)) * np.sqrt(sections)


def brownian_shape(basis: Floats) -> Floats:
    r"""Compute the covariance of the amplitudes of a Brownian path, without its level.

    .. math::
        K = \Phi^+ \min(j, k) \Phi^{+\top}, \text{ without the first row and column}

    Parameters
    ----------
    basis : (k, q) float
        From `polynomials`; with q = k, forecasts under K between two known sections are straight
        lines.

    Returns
    -------
    (q - 1, q - 1) float
        The trace is q - 1.
    """
    section = np.arange(1.0, len(basis) + 1)
    inverse = np.linalg.pinv(basis)
    shape = (inverse @ np.minimum(section[:, None], section) @ inverse.T)[1:, 1:]
    return np.asarray(shape * len(shape) / np.trace(shape))


def contrasts(kinds: int) -> Floats:
    """Compute a column of ones and orthogonal contrasts of kinds, (kinds, kinds).

    They have mean square 1.
    """
    columns = np.linalg.qr(np.column_stack([np.ones(kinds), np.eye(kinds)[:, 1:]]))[0]
    columns *= np.sign(columns[0, 0]) * np.sqrt(kinds)
    columns[:, 0] = 1
    return columns


def section_bases(position: Floats, kinds: int) -> dict[str, Floats]:
    """Build three bases: baseline only, a slope over the song, a level per kind.

    Parameters
    ----------
    position : (n, kinds) float
        Mean position in the song of the sections of a kind, 0 to 1; NaN without such a section.
    kinds : int

    Returns
    -------
    dict
        Name -> basis (n, kinds, q) for `micro.fit`.
    """
    ones = np.ones(position.shape)
    slope = np.nan_to_num(2 * position - 1)
    return {
        "baseline": ones[..., None],
        "position": np.stack([ones, slope], axis=-1),
        "kind": np.broadcast_to(contrasts(kinds), (*position.shape, kinds)).copy(),
    }
