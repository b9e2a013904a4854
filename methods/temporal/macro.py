r"""Hierarchical Gaussian process over careers.

.. math::
    \eta_i(t) &\sim GP\big(x_i(t)^\top \beta + z_i(t)^\top b_i,\; a_i^2 e^{-(t - t')^2 / 2 \ell_i^2}\big),
    \qquad y_{it} \sim N(\eta_i(t),\; \sigma_n^2 + s_{it}^2) \\
    \log a_i &\sim N(\mu_a, \omega_a^2),\quad \log \ell_i \sim N(\mu_\ell, \omega_\ell^2),\quad
    b_i \sim N(0, \mathrm{diag}(\tau^2))

Every career has its own amplitude and length scale. ``s_it`` is the known sampling error of a yearly
mean. The process and ``b_i`` are integrated out exactly (`career_likelihood`). ``a_i`` is integrated by
Gauss-Hermite quadrature. ``l_i`` takes the values of `LENGTHS` with log-normal weights: below a year it
would be noise, above the span of a career a level. NUTS samples the shared parameters; each career's
amplitude and length follow from every draw. Sampling them jointly (two per career, non-centred) mixed
badly: a career of a dozen years does not distinguish a short length from noise or a long one from a
level, so hundreds of nearly flat directions slow the shared ones down. Values must be in units of their
standard deviation: the priors are weakly informative on that scale.

Specification 3, section 1.2.3. R-hat and effective sample size: Vehtari, Gelman, Simpson,
Carpenter and Bürkner (2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.temporal.career_likelihood import node_log_likelihood
from methods.temporal.careers import Careers, Kernel
from methods.temporal.panel import Floats, Ints

SHARED = ("beta", "tau", "sigma_n", "log_rms", "mu_a", "omega_a", "mu_l", "omega_l")
"""Shared parameters; `log_rms` is the log of the root mean square amplitude."""

LENGTHS: Floats = np.array([1.0, 2.5, 6.25, 15.625, 39.0625])
"""Length scales a career may have: 1, 2.5, 6.25, 16 and 39 years."""

HIGH, HIGH_WEIGHT = np.polynomial.hermite_e.hermegauss(2)
"""Nodes of log amplitude on a standard normal scale; weights, up to a factor."""


@dataclass(frozen=True)
class Priors:
    """Scales of the priors, in standard deviations of the values; lengths in years.

    beta ~ N(0, beta^2); tau, sigma_n, omega ~ half-normal; the root mean square amplitude and
    the median length over careers are log-normal around `amplitude` and `length` with `spread` on the
    log scale.
    """

    beta: float = 1.0
    tau: float = 0.5
    sigma_n: float = 0.5
    amplitude: float = 0.5
    length: float = 6.0
    spread: float = 0.7
    omega: float = 0.5


@dataclass(frozen=True)
class Convergence:
    """Convergence of the chains.

    Attributes
    ----------
    ok : bool
        Whether the draws may be used.
    reason : str
        Why not; empty if ok.
    rhat, ess : dict
        Split R-hat and bulk effective sample size of each parameter; entries of vectors are numbered.
    divergences : int
        Number of divergent transitions.
    """

    ok: bool
    reason: str
    rhat: dict[str, float]
    ess: dict[str, float]
    divergences: int


@dataclass(frozen=True)
class MacroFit:
    """Posterior draws, chain after chain, with their convergence.

    Attributes
    ----------
    draws : dict
        Parameter -> (draws, ...); also ``amplitude`` and ``length`` (draws, units).
    converged : Convergence
    """

    draws: dict[str, Floats]
    converged: Convergence

    def kernel(self, draw: int) -> Kernel:
        """Return the covariance parameters of one draw."""
        values = {name: draws[draw] for name, draws in self.draws.items()}
        return Kernel(
            values["amplitude"], values["length"], values["tau"] ** 2, float(values["sigma_n"]) ** 2
        )


def fit(
    careers: Careers,
    *,
    seed: int,
    draws: int = 300,
    tune: int = 300,
    chains: int = 2,
    priors: Priors | None = None,
    target_accept: float = 0.9,
    progress: bool = False,
) -> MacroFit:
    """Sample the posterior of the shared parameters by NUTS (nutpie).

    Parameters
    ----------
    careers : Careers
        `value` in units of its standard deviation, `time` in years.
    seed : int
    draws, tune, chains : int
        Draws and tuning steps per chain; R-hat needs at least 2 chains.
    priors : Priors, optional
    target_accept : float
        Target acceptance rate of the step size adaptation, in (0, 1).
    progress : bool
        Whether nutpie shows a progress bar.

    Returns
    -------
    MacroFit
        Check ``converged`` before use.

    Raises
    ------
    ValueError
        If there are fewer than 2 chains.
    """
    if chains < 2:
        raise ValueError(
            f"found {chains} chain; expected at least 2, since convergence is measured between chains"
        )
    import nutpie

    from methods.pytensor_setup import configure_pytensor

    configure_pytensor()
    compiled = nutpie.compile_pymc_model(model(careers, priors or Priors()))
    trace = nutpie.sample(
        compiled, draws=draws, tune=tune, chains=chains, cores=1, seed=seed, progress_bar=progress,
        target_accept=target_accept, save_warmup=False, low_rank_modified_mass_matrix=True,
    )  # fmt: skip
    shared = {
        name: trace.posterior[name].to_numpy().reshape(-1, *trace.posterior[name].shape[2:])
        for name in SHARED
    }
    return MacroFit(shared | _draw_kernels(careers, shared, seed), check_convergence(trace))


def model(careers: Careers, priors: Priors) -> Any:
    """Build the PyMC model on the marginal likelihood of all careers."""
    import pymc as pm
    import pytensor.tensor as pt

    from methods.temporal.career_op import marginal_likelihood

    # orthogonal columns: the sampler need not learn the correlation of the covariates
    columns, mixing = np.linalg.qr(careers.mean)
    scale = np.sqrt(len(columns))
    with pm.Model() as built:
        gamma = pm.Normal("gamma", 0, priors.beta, shape=columns.shape[1])
        pm.Deterministic("beta", pt.dot(np.linalg.inv(mixing) * scale, gamma))
        tau = pm.HalfNormal("tau", priors.tau, shape=careers.own.shape[1])
        sigma_n = pm.HalfNormal("sigma_n", priors.sigma_n)
        mu_l = pm.Normal("mu_l", np.log(priors.length), priors.spread)
        omega_a = pm.HalfNormal("omega_a", priors.omega)
        omega_l = pm.HalfNormal("omega_l", priors.omega)
        # data identify the mean square amplitude; the mean log only together with omega_a
        log_rms = pm.Normal("log_rms", np.log(priors.amplitude), priors.spread)
        mean_square = pt.dot(HIGH_WEIGHT / HIGH_WEIGHT.sum(), pt.exp(2 * omega_a * HIGH))
        mu_a = pm.Deterministic("mu_a", log_rms - 0.5 * pt.log(mean_square))
        log_share = pt.special.log_softmax(-0.5 * ((np.log(LENGTHS) - mu_l) / omega_l) ** 2)
        log_weight = np.log(HIGH_WEIGHT / HIGH_WEIGHT.sum())[:, None] + log_share
        rest = careers.value - pt.dot(columns * scale, gamma)
        likelihood = marginal_likelihood(
            careers, LENGTHS, rest, mu_a + omega_a * HIGH, log_weight, tau**2, sigma_n**2
        )
        pm.Potential("values", likelihood)
    return built


def _draw_kernels(careers: Careers, shared: dict[str, Floats], seed: int) -> dict[str, Floats]:
    """Draw each career's amplitude and length from its nodes given all other draws."""
    rng = np.random.default_rng(seed)
    amplitude = np.empty((len(shared["sigma_n"]), careers.units))
    length = np.empty_like(amplitude)
    for s in range(len(amplitude)):
        values = {name: draws[s] for name, draws in shared.items()}
        log_amplitudes = values["mu_a"] + values["omega_a"] * HIGH
        logs = node_log_likelihood(
            careers.start, careers.time, careers.noise, careers.own, LENGTHS,
            careers.value - careers.mean @ values["beta"], log_amplitudes, values["tau"] ** 2,
            float(values["sigma_n"]) ** 2,
        )  # fmt: skip
        log_share = -0.5 * ((np.log(LENGTHS) - values["mu_l"]) / values["omega_l"]) ** 2
        logs += np.log(HIGH_WEIGHT)[:, None] + log_share
        # Gumbel-max trick: the largest log probability plus Gumbel noise is a draw
        pick = (logs + rng.gumbel(size=logs.shape)).reshape(careers.units, -1).argmax(axis=1)
        a, b = np.unravel_index(pick, logs.shape[1:])
        amplitude[s], length[s] = np.exp(log_amplitudes[a]), LENGTHS[b]
    return {"amplitude": amplitude, "length": length}


def check_convergence(
    trace: Any,
    *,
    rhat_most: float = 1.01,
    ess_least: float = 200.0,
    divergent: float = 0.01,
) -> Convergence:
    """Check whether the chains have converged.

    Parameters
    ----------
    trace : arviz.InferenceData
        With groups posterior and sample_stats.
    rhat_most, ess_least : float
        Largest split R-hat and smallest bulk effective sample size of a shared parameter.
    divergent : float
        Largest share of divergent transitions.
    """
    import arviz as az

    rhat = _numbered(az.rhat(trace, var_names=list(SHARED)))
    ess = _numbered(az.ess(trace, var_names=list(SHARED)))
    diverging = trace.sample_stats["diverging"]
    faults = [
        f"R-hat of {name} is {value:.3f}, above {rhat_most}"
        for name, value in rhat.items()
        if not value <= rhat_most
    ]
    faults += [
        f"effective sample size of {name} is {value:.0f}, below {ess_least:.0f}"
        for name, value in ess.items()
        if not value >= ess_least
    ]
    if float(diverging.mean()) > divergent:
        faults.append(f"{int(diverging.sum())} of {diverging.size} transitions diverged")
    return Convergence(not faults, "; ".join(faults), rhat, ess, int(diverging.sum()))


def _numbered(values: Any) -> dict[str, float]:
    """Flatten parameters to one entry per number; entries of vectors are numbered."""
    numbered = {}
    for name in SHARED:
        parts = values[name].to_numpy().ravel()
        for index, part in enumerate(parts):
            numbered[f"{name} {index}" if len(parts) > 1 else name] = float(part)
    return numbered


def thinned_draws(fit: MacroFit, number: int) -> Ints:
    """Return the indices of `number` draws, evenly spaced over all chains."""
    return np.linspace(0, len(fit.draws["sigma_n"]) - 1, number).round().astype(np.int64)
