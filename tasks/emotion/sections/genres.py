"""Opening figure of the report: the sound of genres by decade."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.sections.figures import genres as draw
from tasks.report.blocks import Figure, Picture, count

LIST = (
    '<p class="note" id="genre-note" role="status">Choose a cell to list its artists.</p>'
    '<ul class="names" id="genre-artists"></ul>'
)
"""Place where the script of the page lists the artists of a cell."""


def figure(preprocess: PreprocessOutputs) -> Figure:
    """Return the figure of the opening: a cell per genre and decade."""
    table = draw.by_genre_and_decade(preprocess.artists, preprocess.careers)
    drawn = table[table["genre"] != draw.ALL]["genre"].unique()
    known = preprocess.artists["artist_id"].isin(preprocess.careers["artist_id"])
    kept = preprocess.artists[known]["genre"].isin(drawn).sum()
    chart = draw.chart(table, _alt(table))
    return Figure(
        (Picture(chart.html() + LIST),),
        "Mean over artists, in hundredths (54 is 0.54), each artist by the songs of that decade; point at a "
        f"cell for the 95% interval over artists and the number of songs. Shown: cells of at least "
        f"{draw.LEAST_ARTISTS} artists, and the {len(drawn)} genres with most artists "
        f"({count(kept)} of {count(known.sum())}). Years that may be reissues are left out. Valence (0 sad, "
        "1 happy), energy (0 calm, 1 loud and fast), danceability and acousticness are estimates by Spotify, "
        "and a decade shows the songs that are still listened to.",
        title="How genres sound, decade by decade",
    )


def _alt(table: pd.DataFrame) -> str:
    """Return the extremes and the course of all artists for the first measure."""
    if table.empty:
        return "No genre has enough artists in one decade."
    first = table["measure"].iloc[0]
    rows = table[table["measure"] == first]
    cells, every = rows[rows["genre"] != draw.ALL], rows[rows["genre"] == draw.ALL]
    text = f"{first.capitalize()} by genre and decade."
    if len(cells):
        high, low = cells.loc[cells["value"].idxmax()], cells.loc[cells["value"].idxmin()]
        text += (
            f" Highest in {high['genre']} of the {high['decade']}s ({high['value']:.2f}), lowest in "
            f"{low['genre']} of the {low['decade']}s ({low['value']:.2f})."
        )
    if len(every):
        start, end = every.iloc[0], every.iloc[-1]
        text += (
            f" All artists: {start['value']:.2f} in the {start['decade']}s, {end['value']:.2f} in the "
            f"{end['decade']}s."
        )
    return text
