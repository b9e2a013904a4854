"""Section of the report on the change points of single careers."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.changepoint import ChangepointOutputs
from tasks.emotion.params import ReportParams
from tasks.emotion.picker.changes import most_probable_changes
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.report.blocks import (
    Grid,
    Prose,
    Section,
    count,
    grid,
    joined,
    share,
)


def finding(changepoint: ChangepointOutputs) -> list[str]:
    """Return the sentence on all careers for the findings."""
    metrics = changepoint.changepoint.careers
    levels, persistent = metrics.levels, metrics.persistent
    text = (
        f"{count(metrics.changed)} of {count(metrics.careers)} careers have a change that their persistence "
        f"does not explain, of which about {share(metrics.false_discovery_rate)} are expected to be false. "
    )
    if persistent.log_evidence > levels.log_evidence:
        text += (
            f"A model without persistence calls {count(levels.certain)} changes certain, but also "
            f"{levels.null_certain:.0f} in simulated careers without any."
        )
    return [text.strip()]


def section(preprocess: PreprocessOutputs, changepoint: ChangepointOutputs, params: ReportParams) -> Section:
    """Return the section: counts, two models, and the surest changes."""
    metrics = changepoint.changepoint.careers
    text = (
        "An artist sounds more alike in neighbouring years than in distant ones, without any change of "
        "character, and a yearly mean of few songs scatters. A change here is a new level that neither "
        f"explains. Of {count(metrics.careers)} careers with enough years, {count(metrics.changed)} show "
        "one: their odds of a change are higher than those of simulated careers with the same years, songs, "
        f"scatter and persistence (false discovery rate {share(metrics.false_discovery_rate)}). All careers "
        f"together favour {metrics.rate:.2f} changes per career over none by {metrics.gain:.0f} nats, so "
        "more of them changed than can be named. The picker above shows every career."
    )
    return Section(
        "careers",
        "Change points in careers",
        (
            Prose(text.strip()),
            _models(changepoint),
            _surest(preprocess.artists, changepoint, params),
        ),
    )


def _models(changepoint: ChangepointOutputs) -> Grid:
    metrics = changepoint.changepoint.careers
    rows = [
        (
            name, f"{model.log_evidence:,.0f}", count(model.certain), f"{model.null_certain:.1f}",
            count(model.likely), f"{model.null_likely:.1f}",
        )
        for name, model in (
            ("levels that persist, and noise of songs", metrics.persistent),
            ("levels and independent years", metrics.levels),
        )
    ]  # fmt: skip
    return grid(
        "Two models of a career, on the same yearly means. Log evidence: higher is better. Careers with a "
        "probability of a change above 0.9 and 0.5, beside the mean number among as many simulated careers "
        "that persist but never change: a model that finds as many there is not evidence of a change.",
        ("a career has", "log evidence", "above 0.9", "simulated", "above 0.5", "simulated"),
        rows,
        text=(0,),
    )


def _surest(artists: pd.DataFrame, changepoint: ChangepointOutputs, params: ReportParams) -> Grid:
    changes, by_id = changepoint.changes, artists.set_index("artist_id")
    tests = changepoint.career_tests.set_index("artist_id")
    of_careers = changes[changes["artist_id"].notna()]
    years = of_careers.groupby("artist_id")["year"].agg(years="size", first="min", last="max")
    years = years.assign(p_value=tests["p_value"], adjusted=tests["adjusted"], changed=tests["probability"])
    top = years.sort_values(["p_value", "changed", "years"], ascending=[True, False, False], kind="stable")
    top = top.head(params.careers_listed)
    rows = []
    for row in top.itertuples():
        part = of_careers[of_careers["artist_id"] == row.Index]
        artist = by_id.loc[row.Index] if row.Index in by_id.index else None
        rows.append(
            (
                str(part["series"].iloc[0]), "" if artist is None else str(artist["genre"]),
                count(row.years), f"{row.first}–{row.last}", f"{row.p_value:.4f}", f"{row.adjusted:.2f}",
                share(row.changed),
                joined(most_probable_changes(part)) or "—",
            )
        )  # fmt: skip
    return grid(
        f"The {len(rows)} careers with the strongest evidence of a change, of {len(years)}. p: the share of "
        "simulated careers without a change, with the same years, songs and persistence, whose odds of a "
        "change are as high. Adjusted: the false discovery rate at which the career would just be reported "
        "(Benjamini and Hochberg). The last column lists the changes of the most probable segmentation: "
        "year, probability of exactly that year, and the dimension that moved most.",
        ("artist", "genre", "years", "span", "p", "adjusted", "P(any change)", "most probable changes"),
        rows,
        text=(1, 7),
    )
