"""Comparison of network models by AIC and BIC, within genres and between decades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from statewright.contracts import Document
from tasks.emotion.params import NetworkParams

if TYPE_CHECKING:
    import networkx as nx

    from methods.ergm import ErgmFit
    from methods.ergm.terms import Term

PAIRS, TRIPLES = "independent pairs", "with closed triples"
COMMON, RECIPROCAL, SEPARABLE = "without reciprocity", "with reciprocity", "forming and lasting apart"


class Candidate(Document):
    """Criteria of one model; lower is better.

    `log_likelihood_error` is the standard error by simulation, 0 for an exact likelihood.
    """

    parameters: int
    log_likelihood: float
    log_likelihood_error: float
    aic: float
    bic: float


class OverTime(NamedTuple):
    """The separable model between decades, and all candidates."""

    separable: ErgmFit
    candidates: dict[str, Candidate]


def with_and_without_triples(fitted: ErgmFit, params: NetworkParams) -> dict[str, Candidate]:
    """Compare a model with closed triples with the model without them.

    Ties of the second do not depend on each other, so that its likelihood is exact. That of the first
    follows by bridge sampling from the second.
    """
    from methods.ergm import add_log_likelihood, fit

    independent: list[Term] = [term for term in fitted.terms if not is_closure(term)]
    pairs = fit(fitted.graph, independent, seed=params.seed, free=fitted.free)
    triples = add_log_likelihood(
        fitted,
        seed=params.seed,
        bridges=params.bridges,
        effective=params.bridge_effective,
        most_steps=params.most_steps,
    )
    return _candidates({PAIRS: pairs, TRIPLES: triples})


def is_closure(term: Term) -> bool:
    """Return whether the term counts closed triples."""
    return not isinstance(term, str) and term[0] == "gwesp"


def over_time(graphs: list[nx.DiGraph], reciprocal: ErgmFit, params: NetworkParams) -> OverTime:
    """Compare the model with reciprocity, the one without, and the separable one.

    In the separable model a cause may act on new ties otherwise than on ties that last. All three are exact.
    """
    from methods.ergm import fit_temporal

    covariates: list[Term] = [("nodeocov", "size"), ("nodeicov", "named")]
    causes: list[Term] = ["edges", *covariates]
    common = fit_temporal(graphs, ["edges", "stability", *covariates], seed=params.seed)
    separable = fit_temporal(graphs, [("Form", causes), ("Persist", causes)], seed=params.seed)
    fits = {COMMON: common, RECIPROCAL: reciprocal, SEPARABLE: separable}
    return OverTime(separable, _candidates(fits))


def _candidates(fits: Mapping[str, ErgmFit]) -> dict[str, Candidate]:
    return {name: _candidate(fit) for name, fit in fits.items()}


def _candidate(fit: ErgmFit) -> Candidate:
    if fit.log_likelihood is None or fit.aic is None or fit.bic is None:
        raise ValueError("the fit has no likelihood; call add_log_likelihood first")
    return Candidate(
        parameters=len(fit.coef),
        log_likelihood=round(fit.log_likelihood, 4),
        log_likelihood_error=round(fit.log_likelihood_error, 4),
        aic=round(fit.aic, 4),
        bic=round(fit.bic, 4),
    )
