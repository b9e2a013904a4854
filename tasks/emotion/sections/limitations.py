"""Section of the report on methods and their limits."""

from __future__ import annotations

import pandas as pd

from tasks.report.blocks import Prose, Section

LIMITS = (
    "Valence, energy and the other audio figures are outputs of Spotify's models, and the lexicon is "
    "English. Neither detects irony, arrangement or context, or what a listener felt.",
    "The catalogue contains what is on Spotify and in the influence lists of AllMusic: Western, popular, "
    "canonical music. Some careers lack their explicit or outlying songs, and a date can be that of a "
    "reissue.",
    "Many years rest on one to three songs. A long error bar means little evidence.",
    "Nothing here is an experiment. “Affects” and “influence” mean: helps to forecast, given the rest.",
)


def finding() -> list[str]:
    """Return the limit that matters most for every other finding."""
    return [f"A limit of all findings: {LIMITS[0][0].lower()}{LIMITS[0][1:]}"]


def section(forecasts: pd.DataFrame) -> Section:
    """Return the section: one point per method, and the limits of all figures."""
    splits = [
        (str(task), _year(part, "train", "max"), _year(part, "test", "min"))
        for task, part in forecasts.groupby("task", sort=False)
    ]
    split = "; ".join(f"{task}: trained up to {last}, tested from {first}" for task, last, first in splits)
    return Section(
        "methods",
        "Methods and limits",
        (
            Prose(
                points=(
                    "Change points: exact Bayesian posterior over all segmentations of a series into "
                    "periods. Careers persist within a period and have the known noise of their songs; a "
                    "change is reported where simulated careers without one rarely look as changed. The "
                    "result is a probability for each year, not a date.",
                    "Fusion: one encoder per modality, attention between modalities with a time encoding, "
                    "weighted tensor fusion. A missing modality is masked, never imputed.",
                    "Forecast: a state-space model with separate parameters for each career, corrected by "
                    "attention over the artist's past and by its other dimensions. The data are split by "
                    f"time ({split}); the years between serve for validation and calibration. The test years "
                    "decide nothing.",
                    "Causality: PC algorithm with Fisher's z over artist-years; Granger tests with standard "
                    "errors clustered by artist, corrected for their number; a placebo with random "
                    "influencers.",
                    "Effects: linear structural equations on two graphs, one learnt, one with every earlier "
                    "variable as a cause; tested with a placebo, a random common cause and an unmeasured "
                    "common cause; curves as an alternative to lines.",
                    "Intervals come from a bootstrap over artists, because the years of one artist are not "
                    "independent.",
                )
            ),
            Prose("Limits of these figures:"),
            Prose(points=LIMITS),
        ),
    )


def _year(part: pd.DataFrame, split: str, end: str) -> str:
    times = part.loc[part["split"] == split, "time"]
    return "—" if times.empty else str(int(getattr(times, end)()))
