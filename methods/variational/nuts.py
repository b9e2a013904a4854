"""No-U-turn sampling of the same model, the reference for variational posteriors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.variational.families import Floats, Gaussian
from methods.variational.model import Careers, Prior
from methods.variational.updates import GLOBALS


@dataclass(frozen=True)
class SampledPosterior:
    """Summary of the posterior draws of the sampler.

    Attributes
    ----------
    mean, sd : dict of (d,) float
        Mean and standard deviation of each global parameter, by name.
    level, state : Gaussian
        Means and variances of levels (artists, d) and states (n, d).
    largest_r_hat, smallest_ess : float
        Worst R-hat and bulk effective sample size over all parameters, levels and states.
    divergences : int
        Number of divergent transitions.
    """

    mean: dict[str, Floats]
    sd: dict[str, Floats]
    level: Gaussian
    state: Gaussian
    largest_r_hat: float
    smallest_ess: float
    divergences: int

    @property
    def converged(self) -> bool:
        """True if the chains converged by the criteria of Vehtari et al. (2021).

        There is no divergence, R-hat is at most 1.01 and all effective sample sizes are at least 400.
        """
        return self.divergences == 0 and self.largest_r_hat <= 1.01 and self.smallest_ess >= 400


def sample(
    careers: Careers, prior: Prior | None = None, *, draws: int, tune: int, chains: int = 4, seed: int
) -> SampledPosterior:
    """Sample parameters, levels and states jointly with nutpie.

    The steps are small (target acceptance 0.99).

    Parameters
    ----------
    careers : Careers
        A few hundred rows at most: every state is a parameter of the sampler.
    prior : Prior, optional
    draws, tune : int
        Stored and adaptation draws per chain.
    chains : int
        At least 2, for R-hat.
    seed : int

    Returns
    -------
    SampledPosterior
    """
    import arviz
    import nutpie

    from methods.pytensor_setup import configure_pytensor

    configure_pytensor()
    compiled = nutpie.compile_pymc_model(_pymc_model(careers, prior or Prior()))
    trace = nutpie.sample(
        compiled, target_accept=0.99, draws=draws, tune=tune, chains=chains, cores=1, seed=seed,
        progress_bar=False, save_warmup=False,
    )  # fmt: skip
    posterior = trace.posterior[[*GLOBALS, "level", "state"]]
    r_hat, ess = arviz.rhat(posterior), arviz.ess(posterior)
    mean, sd = posterior.mean(("chain", "draw")), posterior.std(("chain", "draw"))
    return SampledPosterior(
        mean={name: mean[name].to_numpy() for name in GLOBALS},
        sd={name: sd[name].to_numpy() for name in GLOBALS},
        level=Gaussian(mean["level"].to_numpy(), sd["level"].to_numpy() ** 2),
        state=Gaussian(mean["state"].to_numpy(), sd["state"].to_numpy() ** 2),
        largest_r_hat=float(max(r_hat.max().to_array())),
        smallest_ess=float(min(ess.min().to_array())),
        divergences=int(trace.sample_stats["diverging"].sum()),
    )


def _pymc_model(careers: Careers, prior: Prior) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    d, artists = careers.mean.shape[1], len(careers.start)
    with_songs = np.flatnonzero(careers.songs > 0)
    songs = careers.songs[with_songs, None]
    with pm.Model() as model:
        theta = {}
        for name in GLOBALS:
            factor = getattr(prior, name)
            if isinstance(factor, Gaussian):
                theta[name] = pm.Normal(name, float(factor.mean), float(factor.variance) ** 0.5, shape=d)
            else:
                theta[name] = pm.Gamma(name, alpha=float(factor.shape), beta=float(factor.rate), shape=d)
        level = pm.Normal("level", theta["population"], theta["level_precision"] ** -0.5, shape=(artists, d))
        departure = _departures(careers, theta)
        state = pm.Deterministic("state", level[careers.artist] + departure)
        square = careers.within[with_songs] + songs * (careers.mean[with_songs] - state[with_songs]) ** 2
        song = theta["song_precision"]
        pm.Potential("songs", 0.5 * pt.sum(songs * pt.log(song) - song * square))
    return model


def _departures(careers: Careers, theta: dict[str, Any]) -> Any:
    """Compute states less levels from standard innovations, ``sum_s phi^(t-s) e_s``.

    This non-centred form samples well: few songs are informative about a year, so the posterior of the
    innovations is close to a standard normal. The states themselves would mix badly.
    """
    import pymc as pm
    import pytensor.tensor as pt

    d, years = careers.mean.shape[1], int(careers.length.max())
    innovation = pm.Normal("innovation", 0.0, 1.0, shape=(len(careers.start), years, d))
    first = (np.arange(years) == 0)[None, :, None]
    scale = pt.switch(first, theta["start_precision"] ** -0.5, theta["innovation_precision"] ** -0.5)
    lag = np.subtract.outer(np.arange(years), np.arange(years))
    powers = [pt.where(lag >= 0, theta["persistence"][k] ** np.maximum(lag, 0), 0.0) for k in range(d)]
    moved = pt.stack([(innovation * scale)[:, :, k] @ powers[k].T for k in range(d)], axis=-1)
    turn = np.arange(len(careers.songs)) - careers.start[careers.artist]
    return moved[careers.artist, turn]
