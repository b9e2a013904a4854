"""Opening figure of the report: the picker of artists."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.emotion.catalogue.selection import Selection
from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.picker.data import (
    NEIGHBOURS,
    Catalogue,
    careers_by_name,
    mean_sound,
    nearest,
    picker_data,
)
from tasks.emotion.picker.element import Z_90, picker
from tasks.report.blocks import Figure, Picture, share


def figure(catalogue: Catalogue, selection: Selection) -> Figure:
    """Return the figure of the opening; the artists of the params are suggested."""
    test = _test(catalogue.forecasts)
    first_test = int(test["time"].min()) if len(test) else 0
    element = picker(picker_data(catalogue), [artist.name for artist in selection.artists], first_test)
    text = (
        "Every artist with a career in the data. Career: dots are means of a year's songs (larger: more "
        "songs; hollow: a possible reissue, which no analysis uses) with 95% intervals; the line is the "
        "course that the model estimates from all years, with its 95% interval; dashed upright lines are the "
        "most probable changes. Change points: probability in percent that a new period begins in that year, "
        "over all measures together; a bar below 50 is no evidence. Forecasts: made from the years before, "
        "with the model's own 90% interval, beside the mean of all earlier songs; shaded are test years, "
        "from which nothing was learnt."
    )
    if len(test):
        inside = ((test["truth"] - test["forecast"]).abs() <= Z_90 * test["sd"]).mean()
        text += f" Over all artists {share(inside)} of the test values are inside that interval."
    return Figure(
        (Picture(element),),
        f"{text} {_neighbours(catalogue)} {selection.note}".strip(),
        title="Look up an artist",
    )


def _test(forecasts: pd.DataFrame) -> pd.DataFrame:
    chosen = (forecasts["task"] == "audio") & (forecasts["model"] == OURS) & (forecasts["split"] == "test")
    return forecasts[chosen]


def _neighbours(catalogue: Catalogue) -> str:
    """Say how neighbours are found, and whether they share a genre more than chance."""
    artists = careers_by_name(catalogue)
    sound = mean_sound(catalogue.careers).reindex(artists["artist_id"])
    rows, _ = nearest(sound, NEIGHBOURS)
    genre = artists["genre"].to_numpy()
    same = float(np.mean(genre[rows] == genre[:, None])) if rows.size else 0.0
    pairs = artists["genre"].value_counts().to_numpy(float)
    chance = float((pairs * (pairs - 1)).sum() / max(pairs.sum() * (pairs.sum() - 1), 1))
    return (
        f"Sounds most alike: smallest distance of the mean of all songs in {sound.shape[1]} measures, in "
        f"standard deviations; it says nothing of period, words or fame. {share(same)} of these neighbours "
        f"have the genre of the artist, {share(chance)} of random pairs."
    )
