"""The same model by the no-U-turn sampler: what the variational posteriors are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.variational.families import Floats, Gaussian
from methods.variational.model import Careers, Prior
from methods.variational.updates import GLOBALS


@dataclass(frozen=True)
class Sampled:
    """Posterior draws of the sampler, summed up.

    Attributes
    ----------
    mean, sd : dict of (d,) float
        Of each global parameter, by name.
    level, state : Gaussian
        Mean and variance of each, (artists, d) and (n, d).
    largest_r_hat, smallest_ess : float
        Over all parameters, levels and states; bulk effective sample size.
    divergences : int
        Transitions that diverged.
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
        """No divergence, R-hat at most 1.01, 400 effective draws of everything (Vehtari et al. 2021)."""
        return self.divergences == 0 and self.largest_r_hat <= 1.01 and self.smallest_ess >= 400


def sample(
    careers: Careers, prior: Prior | None = None, *, draws: int, tune: int, chains: int = 4, seed: int
) -> Sampled:
    """Sample parameters, levels and states jointly, with nutpie; small steps (acceptance 0.99).

    Parameters
    ----------
    careers : Careers
        Some hundred rows at most: every state is a parameter of the sampler.
    prior : Prior, optional
    draws, tune : int
        A chain, kept and for adaptation.
    chains : int
        At least 2, for R-hat.
    seed : int

    Returns
    -------
    Sampled
    """
    import arviz
    import nutpie

    from methods.pytensor_setup import without_blas

    without_blas()
    compiled = nutpie.compile_pymc_model(_pymc_model(careers, prior or Prior()))
    trace = nutpie.sample(
        compiled, target_accept=0.99, draws=draws, tune=tune, chains=chains, cores=1, seed=seed,
        progress_bar=False, save_warmup=False,
    )  # fmt: skip
    posterior = trace.posterior[[*GLOBALS, "level", "state"]]
    r_hat, ess = arviz.rhat(posterior), arviz.ess(posterior)
    mean, sd = posterior.mean(("chain", "draw")), posterior.std(("chain", "draw"))
    return Sampled(
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
    heard = np.flatnonzero(careers.songs > 0)
    songs = careers.songs[heard, None]
    with pm.Model() as model:
        theta = {}
        for name in GLOBALS:
            one = getattr(prior, name)
            if isinstance(one, Gaussian):
                theta[name] = pm.Normal(name, float(one.mean), float(one.variance) ** 0.5, shape=d)
            else:
                theta[name] = pm.Gamma(name, alpha=float(one.shape), beta=float(one.rate), shape=d)
        level = pm.Normal("level", theta["population"], theta["level_precision"] ** -0.5, shape=(artists, d))
        departure = _departures(careers, theta)
        state = pm.Deterministic("state", level[careers.artist] + departure)
        square = careers.within[heard] + songs * (careers.mean[heard] - state[heard]) ** 2
        song = theta["song_precision"]
        pm.Potential("songs", 0.5 * pt.sum(songs * pt.log(song) - song * square))
    return model


def _departures(careers: Careers, theta: dict[str, Any]) -> Any:
    """States less levels as a moving average of standard innovations, ``sum_s phi^(t-s) e_s``.

    Their posterior is far from their parameters' prior and near a standard normal, for few songs say
    much of a year: so the sampler moves with ease, as it would not in the states themselves.
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
