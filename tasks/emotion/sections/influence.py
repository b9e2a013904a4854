"""Section of the report on the networks of influence."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from tasks.emotion.network import ALL, DECADES, ModelMetrics, NetworkMetrics, NetworkOutputs
from tasks.emotion.networks.comparison import PAIRS, SEPARABLE, TRIPLES, Candidate
from tasks.emotion.sections.figures import influence as draw
from tasks.report.blocks import (
    Figure,
    Grid,
    Picture,
    Prose,
    Section,
    count,
    grid,
    interval,
    joined,
    plural,
    share,
    signed,
)
from tasks.report.drawing import svg

TERMS = {
    "edges": "any pair at all",
    "mutual": "the other artist influenced it too",
    "absdiff.decade": "a decade further apart",
    "absdiff.energy": "energy further apart, by 1 (the whole scale)",
    "absdiff.valence": "valence further apart, by 1 (the whole scale)",
    "nodematch.genre": "of the same genre",
    "nodeocov.reach": "influencer known outside this network (log of followers)",
    "nodeicov.names": "follower names many outside this network (log of influences)",
    "stability": "present a decade before",
    "nodeocov.size": "size of the influencing genre (log of artists)",
    "nodeicov.named": "pairs of the influenced genre's newcomers (log)",
    "Form~edges": "new: any pair at all",
    "Form~nodeocov.size": "new: size of the influencing genre (log of artists)",
    "Form~nodeicov.named": "new: pairs of the influenced genre's newcomers (log)",
    "Persist~edges": "lasting: any pair at all",
    "Persist~nodeocov.size": "lasting: size of the influencing genre (log of artists)",
    "Persist~nodeicov.named": "lasting: pairs of the influenced genre's newcomers (log)",
}
FEATURES = {
    "out-degree": "followers of an artist",
    "in-degree": "influences of an artist",
    "distance": "distances between artists",
    "shared partners": "artists between both ends of a tie",
}
LEVEL = 0.05
CAUSES = {
    "nodeocov.size": "the artists in the influencing genre",
    "nodeicov.named": "the pairs of the influenced genre's newcomers",
}
CLEAR = 2.0
"""Smallest difference of AIC or BIC that counts (Kass and Raftery 1995: less is hardly worth a mention)."""
SCALE_STEP = 0.1
"""Difference of energy or valence in the list of odds: a tenth of the scale, as artists differ."""


def finding(network: NetworkOutputs) -> list[str]:
    """Return the sentence on artists of one genre for the findings."""
    odds = _odds(network.network_terms, ALL, "nodematch.genre", 1.0)
    if odds is None:
        return []
    value, low, high = odds
    return [
        f"An artist names an influence of its own genre more readily: the odds of a tie are {value:.1f} "
        f"times those of other pairs (95% interval {interval(low, high, 1)}), given the rest of the network."
    ]


def section(network: NetworkOutputs) -> Section:
    """Return the section: coefficients of every model, and goodness of fit."""
    terms, fits, metrics = network.network_terms, network.network_fit, network.network
    drawn = [name for name in metrics.models if name not in (ALL, DECADES) and (fits["model"] == name).any()]
    return Section(
        "influence",
        "Who influenced whom",
        (
            Prose(_text(metrics)),
            Prose(points=tuple(_odds_texts(terms, metrics))),
            *([_figure(fits, drawn[-1], metrics.models[drawn[-1]])] if drawn else []),
            _table(terms),
            Prose(points=tuple(_comparison_texts(metrics, terms))),
            _comparison_table(metrics),
        ),
    )


def _comparison_texts(metrics: NetworkMetrics, terms: pd.DataFrame) -> list[str]:
    """Say which candidate each network supports."""
    texts = []
    for name, candidates in metrics.comparisons.items():
        if name == DECADES:
            texts.append(_decades_text(candidates, terms))
            continue
        pairs, triples = candidates[PAIRS], candidates[TRIPLES]
        error = 2 * triples.log_likelihood_error
        gains = joined(
            f"{key.upper()} {'lower' if gain > 0 else 'higher'} by {abs(gain):.1f}"
            for key, gain in (("aic", pairs.aic - triples.aic), ("bic", pairs.bic - triples.bic))
        )
        texts.append(
            f"{name}: with closed triples {gains} (standard error of the simulation {error:.1f}). "
            f"{_verdict(pairs, triples)}"
        )
    return texts


def _verdict(pairs: Candidate, triples: Candidate) -> str:
    """Compare both criteria with twice the error of their difference."""
    error = 4 * triples.log_likelihood_error
    gains = pairs.aic - triples.aic, pairs.bic - triples.bic
    if min(gains) > max(error, CLEAR):
        return "Ties within the genre depend on each other beyond what their artists explain."
    if max(gains) < -max(error, CLEAR):
        return "The artists explain the ties without closed triples."
    return "The criteria do not decide between the two."


def _decades_text(candidates: dict[str, Candidate], terms: pd.DataFrame) -> str:
    aic = min(candidates, key=lambda name: candidates[name].aic)
    bic = min(candidates, key=lambda name: candidates[name].bic)
    chosen = f"both criteria choose the model {aic}" if aic == bic else f"AIC chooses {aic}, BIC {bic}"
    parts = []
    for term, cause in CAUSES.items():
        forming, lasting = (
            _odds(terms, f"{DECADES}, {SEPARABLE}", f"{kind}~{term}", float(np.log(2)))
            for kind in ("Form", "Persist")
        )
        if forming and lasting:
            parts.append(
                f"with twice {cause}, the odds that a tie forms are times {forming[0]:.2f} "
                f"({interval(forming[1], forming[2], 2)}), and that it lasts times {lasting[0]:.2f} "
                f"({interval(lasting[1], lasting[2], 2)})"
            )
    apart = f" In the model {SEPARABLE}, {'; '.join(parts)}." if parts else ""
    return f"{DECADES}: {chosen}.{apart}"


def _comparison_table(metrics: NetworkMetrics) -> Grid:
    rows = [
        (
            network,
            name,
            count(one.parameters),
            f"{one.log_likelihood:.1f}",
            f"±{one.log_likelihood_error:.2f}" if one.log_likelihood_error else "exact",
            f"{one.aic:.1f}",
            f"{one.bic:.1f}",
        )
        for network, candidates in metrics.comparisons.items()
        for name, one in candidates.items()
    ]
    return grid(
        "Candidate models of the same ties. Lower AIC and BIC are better; BIC punishes parameters more. The "
        "error is the standard error of the log likelihood by simulation (bridge sampling).",
        ("network", "model", "parameters", "log likelihood", "error", "AIC", "BIC"),
        rows,
        text=(1,),
    )


def _text(metrics: NetworkMetrics) -> str:
    whole = metrics.models[ALL]
    return (
        f"The network has {count(whole.ties)} ties of influence among {count(whole.nodes)} artists with a "
        f"career in sound ({count(metrics.left_out)} artists named in the pairs have none). An artist can "
        "influence those who began in its own decade or later; "
        f"{plural(whole.held, 'tie')} that run against time are fixed and not modelled. The ties are "
        "judgements of the editors of AllMusic: the model explains who is said to have influenced whom."
    )


def _odds(terms: pd.DataFrame, model: str, term: str, unit: float) -> tuple[float, float, float] | None:
    """Return the odds ratio of `unit` more of a term and its 95 % interval.

    The result is None if the model lacks the term.
    """
    rows = terms[(terms["model"] == model) & (terms["term"] == term)]
    if rows.empty:
        return None
    coef, error = float(rows["coef"].iloc[0]), float(rows["std_error"].iloc[0])
    value, low, high = np.exp(unit * (coef + 1.96 * error * np.array([0, -1, 1])))
    return float(value), float(low), float(high)


def _odds_texts(terms: pd.DataFrame, metrics: NetworkMetrics) -> list[str]:
    texts = []
    for name, model in metrics.models.items():
        if model.reason:
            texts.append(f"{name}: no estimate. {model.reason}")
            continue
        parts = []
        for term in ("nodematch.genre", "absdiff.energy", "absdiff.valence", "stability"):
            difference = term.startswith("absdiff")
            odds = _odds(terms, name, term, SCALE_STEP if difference else 1.0)
            if odds is not None:
                words = TERMS[term].split(", by")[0] + (", by a tenth of the scale" if difference else "")
                value, low, high = odds
                parts.append(f"{words}: odds times {value:.2f} ({low:.2f} to {high:.2f})")
        closed = terms[(terms["model"] == name) & terms["term"].str.startswith("gwesp")]
        parts += [
            f"first shared artist of a closed triple: odds times {np.exp(coef):.2f}"
            for coef in closed["coef"]
        ]
        texts.append(f"{name} ({plural(model.ties, 'tie')}): {'; '.join(parts)}.")
    texts += _fit_texts(metrics)
    return texts


def _fit_texts(metrics: NetworkMetrics) -> list[str]:
    """Say for each feature which models reproduce it; features are not pooled."""
    fitted = {name: model for name, model in metrics.models.items() if model.features}
    texts = []
    for feature, words in FEATURES.items():
        parts = {name: model.features[feature] for name, model in fitted.items() if feature in model.features}
        if not parts:
            continue
        failed = {name: part for name, part in parts.items() if part.p_value < LEVEL}
        if not failed:
            texts.append(f"{words}: reproduced by all {plural(len(parts), 'model')}")
            continue
        shares = joined(f"{name} ({share(part.covered)})" for name, part in failed.items())
        texts.append(
            f"{words}: not reproduced in {len(failed)} of {plural(len(parts), 'model')}, {shares} of the "
            "counts inside the range of 95% of the simulated networks"
        )
    if not texts:
        return []
    return [
        f"Features to which the models were not fitted, each tested as a whole (p < {LEVEL}). "
        f"{'; '.join(texts)}. Where a feature is not reproduced, the coefficients describe the ties but are "
        "not the process that made them."
    ]


def _figure(fits: pd.DataFrame, name: str, model: ModelMetrics) -> Figure:
    rows = fits[(fits["model"] == name) & fits["feature"].isin(draw.FEATURES)]
    outside = rows[~rows["observed"].between(rows["low"], rows["high"])]
    picture = svg(
        "influence-fit", (8.2, 3.2),
        f"{name}: {len(outside)} of {len(rows)} counts lie outside the simulated range.",
        partial(draw.fit, rows=rows),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{name}: artists by number of followers and of influences, and ties by number of artists between "
        "their ends. Dots: observed; red where they lie outside the range of 95% of the networks that the "
        f"model simulates (band). n = {plural(model.nodes, 'artist')}, {plural(model.ties, 'tie')}.",
    )


def _table(terms: pd.DataFrame) -> Grid:
    rows = [
        (
            row.model,
            TERMS.get(row.term, "closed triples (x → y → z and x → z)"),
            signed(row.coef, 2) if np.isfinite(row.coef) else "none possible",
            f"±{1.96 * row.std_error:.2f}" if np.isfinite(row.coef) else "",
            "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}",
        )
        for row in terms.itertuples()
    ]
    return grid(
        "Terms that raise (+) or lower (−) the log odds that one artist, or genre, influenced another, given "
        "the rest of the network; ± is the half width of the 95% interval.",
        ("network", "a tie is likelier if", "log odds", "±", "p"),
        rows,
        text=(1,),
    )
