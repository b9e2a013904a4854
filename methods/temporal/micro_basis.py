"""Shapes over a song: polynomials and their law under a Brownian path, kinds of sections."""

from __future__ import annotations

import numpy as np

from methods.temporal.panel import Floats


def polynomials(sections: int, degree: int) -> Floats:
    """Orthogonal polynomials over equally spaced sections, of mean square 1; column 0 is ones."""
    place = np.linspace(-1, 1, sections)
    columns, triangle = np.linalg.qr(np.vander(place, degree + 1, increasing=True))
    return columns * np.sign(np.diag(triangle)) * np.sqrt(sections)


def brownian_shape(basis: Floats) -> Floats:
    r"""Covariance of the amplitudes of a Brownian path over the sections, its level left out.

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
        Of trace q - 1.
    """
    place = np.arange(1.0, len(basis) + 1)
    inverse = np.linalg.pinv(basis)
    shape = (inverse @ np.minimum(place[:, None], place) @ inverse.T)[1:, 1:]
    return np.asarray(shape * len(shape) / np.trace(shape))


def contrasts(kinds: int) -> Floats:
    """A column of ones and orthogonal contrasts of the kinds, of mean square 1, (kinds, kinds)."""
    columns = np.linalg.qr(np.column_stack([np.ones(kinds), np.eye(kinds)[:, 1:]]))[0]
    columns *= np.sign(columns[0, 0]) * np.sqrt(kinds)
    columns[:, 0] = 1
    return columns


def section_bases(position: Floats, kinds: int) -> dict[str, Floats]:
    """Nothing but the baseline; a slope over the song; a level of its own for each kind.

    Parameters
    ----------
    position : (n, kinds) float
        Mean place of the sections of a kind in the song, 0 to 1; NaN where there is none.
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
