"""First and last sections of the report: the findings in sentences, methods and limits, how to reproduce."""

from __future__ import annotations

import pandas as pd

from statewright.contracts import Feedback
from tasks.emotion.causal import CausalMetrics
from tasks.emotion.changepoint import ChangepointMetrics
from tasks.emotion.fusion import FusionSummary
from tasks.emotion.sections.forecast import verdict
from tasks.emotion.sections.states import verdict as states_verdict
from tasks.emotion.variational import VariationalMetrics
from tasks.report.blocks import Commands, Prose, Section, count, joined, plural, share


def findings(
    scores: pd.DataFrame,
    table: pd.DataFrame,
    changes: pd.DataFrame,
    metrics: tuple[ChangepointMetrics, VariationalMetrics, CausalMetrics, FusionSummary, Feedback],
) -> Section:
    """What came out, one sentence a question, each computed from the tables below."""
    changepoint, variational, causal, fusion, feedback = metrics
    points = [
        *(_whole(name, changes, changepoint) for name in ("music", "charts") if name in changepoint.whole),
        _careers(changepoint),
        states_verdict(variational),
        _causes(causal),
        *(verdict(scores, str(task)) for task in dict.fromkeys(scores["task"])),
        _intervals(table),
        f"Filling in a missing modality, the fusion beats principal components of the same width in "
        f"{fusion.held_out_won} of {plural(fusion.held_out_tasks, 'task')} "
        f"({fusion.held_out_won_clearly} clearly).",
        f"The feedback stage {'sees nothing left to try' if feedback.stop else 'proposes another round'}.",
    ]
    return Section("findings", "What came out", (Prose(points=tuple(points)),))


def _whole(name: str, changes: pd.DataFrame, metrics: ChangepointMetrics) -> str:
    rows = changes[changes["series"] == name].sort_values("year")
    subject = {"music": "All music", "charts": "The US charts"}[name]
    cuts = [f"{row.year} ({share(row.probability)})" for row in rows[rows["is_map"]].itertuples()]
    regimes = rows.filter(regex="_regime$")
    move = (regimes.iloc[-1] - regimes.iloc[0]).dropna()
    text = f"{subject} changed character most probably in {joined(cuts)}." if cuts else (
        f"{subject} shows no change in its most probable division."
    )  # fmt: skip
    if cuts and len(move):
        largest = str(move.abs().idxmax())
        dimension, start, end = (
            largest.removesuffix("_regime"),
            regimes[largest].iloc[0],
            regimes[largest].iloc[-1],
        )
        text += (
            f" From {rows['year'].iloc[0]} to {rows['year'].iloc[-1]} {dimension} moved most, "
            f"from {start:.2f} to {end:.2f}."
        )
    landmarks = metrics.whole[name].mauch.items()
    near = [f"{year} ({share(one.within)})" for year, one in landmarks if one.within >= 0.5]
    far = [f"{year} ({share(one.within)})" for year, one in landmarks if one.within < 0.5]
    known = ([f"bear out {joined(near)}"] if near else []) + (
        [f"do not bear out {joined(far)}"] if far else []
    )
    if known:
        text += f" Of the revolutions of Mauch et al. (2015) these figures {joined(known)}"
        text += (
            f"; changes at random would come as near in {share(metrics.whole[name].mauch_chance)} of cases."
        )
    return text + _caution(name, metrics)


def _caution(name: str, metrics: ChangepointMetrics) -> str:
    """What the changes come to once each year may lean on the one before."""
    levels, leaning = metrics.whole[name], metrics.whole.get(f"{name} innovations")
    if leaning is None or leaning.log_evidence <= levels.log_evidence:
        return ""
    changes = f"sees {plural(leaning.map_changes, 'abrupt change')}" if leaning.map_changes else "needs none"
    return f" But a description in which each year leans on the one before fits better, and {changes}."


def _careers(metrics: ChangepointMetrics) -> str:
    of = metrics.careers
    ratio = of.certain / max(of.shuffled_certain, 1)
    return (
        f"{count(of.certain)} of {count(of.careers)} careers ({share(of.certain / max(of.careers, 1))}) "
        "changed character with a probability above 0.9. Years in random order give "
        f"{count(of.shuffled_certain)}"
        + (f", so most of these turns are no accident ({ratio:.1f} times as many)." if ratio >= 2 else
           ", so many of these turns may be accident.")
    )  # fmt: skip


def _causes(metrics: CausalMetrics) -> str:
    graph = metrics.graph
    own = (
        "only to itself"
        if graph.cross_past == 0
        else f"to itself and, by {plural(graph.cross_past, 'arrow')}, to others"
    )
    text = f"In the causal graph each emotional dimension of an artist's past leads {own}."
    if "influencer->follower" not in metrics.granger:
        return text
    scope = metrics.granger["influencer->follower"]
    if scope.significant == 0:
        return (
            f"{text} None of {plural(scope.tests, 'test')} finds that an influencer's emotion helps to "
            f"forecast the follower's (smallest corrected p {scope.smallest_p_adjusted:.2f})."
        )
    return (
        f"{text} {count(scope.significant)} of {plural(scope.tests, 'test')} find that an influencer's "
        "emotion helps to forecast the follower's."
    )


def _intervals(table: pd.DataFrame) -> str:
    rows = table[(table["interval"] == "scaled") & ((table["level"] - 0.9).abs() < 0.051)]
    rows = rows[rows["level"] == rows["level"].min()]
    if rows.empty:
        return "No coverage was measured near 90%."
    kept = ((rows["covered_low"] <= rows["level"]) & (rows["level"] <= rows["covered_high"])).sum()
    short = (rows["covered_high"] < rows["level"]).sum()
    return (
        f"Intervals that promise {share(rows['level'].iloc[0])} hold {rows['covered'].min():.1%} to "
        f"{rows['covered'].max():.1%} of the test targets; the promise is kept, within sampling error, in "
        f"{kept} of {plural(len(rows), 'dimension')} and missed by being too narrow in {short}."
    )


def methods(forecasts: pd.DataFrame) -> Section:
    """In short: how it was done, and what it cannot say."""
    limits = [
        (str(task), _years(part, "train", "max"), _years(part, "test", "min"))
        for task, part in forecasts.groupby("task", sort=False)
    ]
    split = "; ".join(
        f"{task}: learnt from targets up to {last}, tested from {first}" for task, last, first in limits
    )
    return Section(
        "methods",
        "Methods and limits, in short",
        (
            Prose(
                points=(
                    "Change points: exact Bayesian posterior over all divisions of a series into "
                    "stretches of constant mean and covariance; the thin years stay in and weigh little. "
                    "Probabilities, not dates.",
                    "Fusion: one encoder a modality, attention between modalities with a time encoding, "
                    "weighted tensor fusion; a missing modality is masked, never invented.",
                    "Forecast: a state-space model of every career with parameters of its own, corrected "
                    "by attention over the artist's past and by its other dimensions. Split by time "
                    f"({split}); the years between serve for validation and calibration. The test years "
                    "decide nothing.",
                    "Causality: PC algorithm with Fisher's z over artist-years; Granger tests with "
                    "standard errors by artist, corrected for their number; a placebo with random "
                    "influencers.",
                    "What if: linear structural equations on two graphs, one learnt, one with every earlier "
                    "variable as a cause; a placebo, a random and a hidden common cause, and curves instead "
                    "of lines.",
                    "Intervals come from artists drawn anew with replacement: years of one artist are not "
                    "independent.",
                )
            ),
            Prose("What these figures cannot say:"),
            Prose(
                points=(
                    "Valence, energy and the like are outputs of Spotify's models, and the lexicon is "
                    "English: neither hears irony, arrangement or context, or what a listener felt.",
                    "The catalogue is what is on Spotify and in AllMusic's influence lists: Western, "
                    "popular, canonical; some careers lack their explicit or outlying songs, and dates "
                    "can be a reissue's.",
                    "Many years rest on one to three songs. Where an error bar is long, believe it.",
                    "Nothing here is an experiment. “Drives” and “influence” mean: helps to forecast, "
                    "given the rest.",
                )
            ),
        ),
    )


def _years(part: pd.DataFrame, split: str, end: str) -> str:
    times = part.loc[part["split"] == split, "time"]
    return "—" if times.empty else str(int(getattr(times, end)()))


def reproduce() -> Section:
    """The commands."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Prose(
                "Every number above is computed from the tables in data/source by the stages declared in "
                "dvc.yaml, with the parameters in params.yaml; dvc.lock holds the hash of every file, and "
                "MLflow the record of each run. From a fresh copy of the repository:"
            ),
            Commands(
                (
                    "make run                          # everything, then this page",
                    "statewright plan                  # what would run, and why",
                    "dvc repro emotion-report          # the same by DVC alone",
                    "statewright run emotion-report    # the same as a Prefect flow",
                )
            ),
            Prose("The same inputs and parameters give this page again, byte for byte. It needs no network."),
        ),
    )
