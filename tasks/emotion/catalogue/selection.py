"""Selection of the artists that the report draws."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from tasks.emotion.params import ReportParams
from tasks.report.blocks import joined

DEFAULT_NUMBER = 6
"""Artists to show where the params name none."""


class SelectedArtist(NamedTuple):
    """One artist of the report; `years` are the rows of its career, in order of time."""

    artist_id: int
    name: str
    genre: str
    years: pd.DataFrame


class Selection(NamedTuple):
    """Artists of the report, and a note on those that the data does not have."""

    artists: list[SelectedArtist]
    note: str


def select_artists(artists: pd.DataFrame, careers: pd.DataFrame, params: ReportParams) -> Selection:
    """Select the artists that the params name and that have a career.

    If the data has none of them (another catalogue), select the artists with the most years.
    """
    years = careers.groupby("artist_id").size()
    candidates = artists[artists["artist_id"].isin(years.index)]
    candidates = candidates.assign(years=candidates["artist_id"].map(years))
    candidates = candidates.sort_values(["years", "artist_id"], ascending=[False, True])
    by_name = candidates.drop_duplicates("artist").set_index("artist")
    present = [name for name in params.artists if name in by_name.index]
    missing = [name for name in params.artists if name not in by_name.index]
    chosen = by_name.reindex(present)
    note = f"Named in the parameters but not in the data: {joined(missing)}." if missing else ""
    if chosen.empty:
        chosen = candidates.head(len(params.artists) or DEFAULT_NUMBER).set_index("artist")
        note += " The artists with the most years are shown instead."
    selected = [
        SelectedArtist(
            int(row.artist_id), str(row.Index), str(row.genre),
            careers[careers["artist_id"] == row.artist_id].sort_values("year", ignore_index=True),
        )
        for row in chosen.itertuples()
    ]  # fmt: skip
    return Selection(selected, note.strip())
