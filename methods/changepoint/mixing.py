"""Convergence diagnostics of chains over segmentations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Vehtari et al. (2021) require less than 1.01 and 400 effective draws. There are many locations: 1.05.
_LARGEST_R_HAT, _LARGEST_LOCATION_R_HAT, _FEWEST_DRAWS = 1.01, 1.05, 400
_UNCERTAIN = 0.05


@dataclass(frozen=True)
class Mixing:
    """Convergence diagnostics of the chains.

    Attributes
    ----------
    r_hat, ess : float
        Rank-normalised split R-hat and bulk effective sample size of the number of changes K;
        NaN if K never varied, since then they are undefined.
    location_r_hat, location_ess : float
        Worst values over the indicators of a change at each index with a probability in
        [0.05, 0.95]; NaN if there is no such index.
    acceptance : dict
        Share of accepted moves: ``birth``, ``death``, ``shift``; NaN if none was tried.
    warning : str or None
        Set if R-hat exceeds 1.01 (1.05 for locations) or the effective sample is below 400.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter, Buerkner, Bayesian Analysis 16 (2021).
    """

    r_hat: float
    ess: float
    location_r_hat: float
    location_ess: float
    acceptance: dict[str, float]
    warning: str | None


def mixing(counts: Array, changed: Array, moves: Array) -> Mixing:
    """Compute convergence diagnostics.

    Parameters
    ----------
    counts : array (chains, draws)
        Number of changes K.
    changed : array (chains, draws, T)
        Whether there is a change at each index.
    moves : array (3, 2)
        Moves tried and accepted, by kind.

    Warns
    -----
    UserWarning
        If the chains have not converged.
    """
    r_hat, ess = _diagnose(counts[:, :, None].astype(float))
    share = changed.mean(axis=(0, 1))
    uncertain = (share >= _UNCERTAIN) & (share <= 1 - _UNCERTAIN)
    location_r_hat, location_ess = _diagnose(changed[:, :, uncertain].astype(float))
    with np.errstate(invalid="ignore"):
        rates = (moves[:, 1] / moves[:, 0]).tolist()
    warning = None
    if (
        r_hat > _LARGEST_R_HAT
        or location_r_hat > _LARGEST_LOCATION_R_HAT
        or min(ess, location_ess) < _FEWEST_DRAWS
    ):
        warning = (
            f"the chains have not converged: R-hat {r_hat:.3f} (locations {location_r_hat:.3f}), effective "
            "draws "
            f"{ess:.0f} (locations {location_ess:.0f}); expected at most {_LARGEST_R_HAT} "
            f"({_LARGEST_LOCATION_R_HAT}) and at least {_FEWEST_DRAWS}: raise draws or thin"
        )
        warnings.warn(warning, UserWarning, stacklevel=3)
    acceptance = dict(zip(("birth", "death", "shift"), rates, strict=True))
    return Mixing(r_hat, ess, location_r_hat, location_ess, acceptance, warning)


def _diagnose(values: Array) -> tuple[float, float]:
    """Return the largest R-hat and the smallest effective sample size.

    Over the columns of `values` (chains, draws, columns) that vary.
    """
    import arviz

    values = values[:, :, np.ptp(values, axis=(0, 1)) > 0]
    if values.shape[2] == 0 or values.shape[1] < 4:
        return float("nan"), float("nan")
    data = arviz.convert_to_dataset({"x": values})
    ess = float(arviz.ess(data)["x"].min())
    return (float(arviz.rhat(data)["x"].max()) if len(values) > 1 else float("nan")), ess
