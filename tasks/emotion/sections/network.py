"""Section of the report on influence: what makes one artist name another, and what the model misses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.emotion.network import ALL, DECADES, ModelMetrics, NetworkMetrics
from tasks.report.blocks import (
    Figure,
    Grid,
    Picture,
    Prose,
    Section,
    count,
    grid,
    joined,
    plural,
    share,
    signed,
)
from tasks.report.drawing import BLUE, PALE, VERMILION, label_once, svg

if TYPE_CHECKING:
    import matplotlib.figure

WORDS = {
    "edges": "any pair at all",
    "mutual": "the other one influenced it too",
    "absdiff.decade": "a decade further apart",
    "absdiff.energy": "energy further apart, by 1 (the whole scale)",
    "absdiff.valence": "valence further apart, by 1 (the whole scale)",
    "nodematch.genre": "of the same genre",
    "nodeocov.reach": "influencer known elsewhere (log of followers)",
    "nodeicov.names": "follower names many elsewhere (log of influences)",
    "stability": "there a decade before",
    "nodeocov.size": "size of the influencing genre (log of artists)",
    "nodeicov.named": "pairs of the influenced genre's newcomers (log)",
}
FEATURES = {
    "out-degree": "followers of an artist",
    "in-degree": "influences of an artist",
    "shared partners": "artists between both ends of a tie",
}


def influence(terms: pd.DataFrame, fits: pd.DataFrame, metrics: NetworkMetrics) -> Section:
    """Coefficients of every model in words, and the simulated networks beside the real one."""
    shown = [name for name in metrics.models if name not in (ALL, DECADES) and (fits["model"] == name).any()]
    return Section(
        "influence",
        "Who influences whom",
        (
            Prose(_opening(metrics)),
            Prose(points=tuple(_findings(terms, metrics))),
            *([_figure(fits, shown[-1], metrics.models[shown[-1]])] if shown else []),
            _table(terms),
        ),
    )


def _opening(metrics: NetworkMetrics) -> str:
    whole = metrics.models[ALL]
    return (
        f"{count(whole.ties)} ties of influence among {count(whole.nodes)} artists with a career in sound "
        f"({count(metrics.left_out)} named in the pairs have none). An artist can influence those who began "
        f"in its own decade or later; {plural(whole.held, 'tie')} against time stay as they are. The ties "
        "are editors' judgements at AllMusic, not hearings: what the model explains is who is said to have "
        "influenced whom."
    )


def _findings(terms: pd.DataFrame, metrics: NetworkMetrics) -> list[str]:
    found = []
    coef = terms.set_index(["model", "term"])["coef"]
    error = terms.set_index(["model", "term"])["std_error"]
    for name, model in metrics.models.items():
        if model.reason:
            found.append(f"{name}: no estimate. {model.reason}")
            continue
        parts = []
        for term in ("nodematch.genre", "absdiff.energy", "absdiff.valence", "stability"):
            key = (name, term)
            if key in coef.index:
                # A tenth of the scale of energy and valence is a difference that artists have.
                unit, step = (0.1, ", by a tenth of the scale") if term.startswith("absdiff") else (1.0, "")
                word = WORDS[term].split(", by")[0] + step
                low, high = np.exp(unit * (coef[key] + 1.96 * error[key] * np.array([-1, 1])))
                parts.append(f"{word}: odds times {np.exp(unit * coef[key]):.2f} ({low:.2f} to {high:.2f})")
        closed = [term for model_, term in coef.index if model_ == name and term.startswith("gwesp")]
        parts += [f"each closed triple, the first: odds times {np.exp(coef[(name, t)]):.2f}" for t in closed]
        found.append(f"{name} ({plural(model.ties, 'tie')}): {'; '.join(parts)}.")
    weak = [name for name, model in metrics.models.items() if not model.reason and 0 < model.covered < 0.9]
    if weak:
        shares = joined(f"{name} {share(metrics.models[name].covered)}" for name in weak)
        found.append(
            "Of the counts that the models were not fitted to, too few lie where 95% of simulated networks "
            f"do: {shares}. Read the coefficients as a description, not as the process."
        )
    return found


def _figure(fits: pd.DataFrame, name: str, model: ModelMetrics) -> Figure:
    rows = fits[(fits["model"] == name) & fits["feature"].isin(FEATURES)]
    outside = rows[~rows["observed"].between(rows["low"], rows["high"])]
    picture = svg(
        "influence-fit", (8.2, 3.2),
        f"{name}: {len(outside)} of {len(rows)} observed counts lie outside the simulated range.",
        lambda figure: draw_fit(figure, rows),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{name}: artists by number of followers and of influences, and ties by number of artists between "
        "their ends. Dots: as observed; red, where 95% of the networks that the model brings forth (band) "
        f"are otherwise. n = {plural(model.nodes, 'artist')}, {plural(model.ties, 'tie')}.",
    )


def draw_fit(figure: matplotlib.figure.Figure, rows: pd.DataFrame) -> None:
    """Observed counts on the band of simulated ones, one panel a feature."""
    panels = np.atleast_1d(figure.subplots(1, len(FEATURES)))
    for axes, (feature, title) in zip(panels, FEATURES.items(), strict=True):
        part = rows[(rows["feature"] == feature) & np.isfinite(rows["value"]) & (rows["value"] <= 25)]
        axes.fill_between(part["value"], part["low"], part["high"], color=PALE, label="95% of simulated")
        out = ~part["observed"].between(part["low"], part["high"])
        axes.plot(part["value"][~out], part["observed"][~out], "o", ms=3.5, color=BLUE, label="observed")
        axes.plot(part["value"][out], part["observed"][out], "o", ms=3.5, color=VERMILION, label="outside")
        axes.set(xlabel=title, ylabel="ties" if feature == "shared partners" else "artists")
    label_once(panels[-1], ncols=1, loc="upper right")


def _table(terms: pd.DataFrame) -> Grid:
    rows = [
        (
            row.model,
            WORDS.get(row.term, "closed triples (x → y → z and x → z)"),
            signed(row.coef, 2) if np.isfinite(row.coef) else "none possible",
            f"±{1.96 * row.std_error:.2f}" if np.isfinite(row.coef) else "",
            "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}",
        )
        for row in terms.itertuples()
    ]
    return grid(
        "What raises (+) or lowers (−) the log odds that one artist, or genre, influenced another, the rest "
        "of the network given; ± is the half width of the 95% interval.",
        ("network", "a tie is likelier if", "log odds", "±", "p"),
        rows,
        text=(1,),
    )
