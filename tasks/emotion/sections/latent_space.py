"""Section of the report on the latent space."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.catalogue.selection import Selection
from tasks.emotion.contracts.latent import Gain, LatentModality, LatentOutputs
from tasks.emotion.sections.figures import latent as draw
from tasks.report.blocks import Cell, Figure, Grid, Prose, Section, count, grid, signed

NAMES = {"audio": "sound", "lyrics": "lyrics"}
PANELS = {
    "audio": ("valence", "energy", "acousticness", "danceability"),
    "lyrics": ("joy", "sadness", "anger", "trust"),
}


def finding(latent: LatentOutputs) -> list[str]:
    """Return one sentence per modality on the gain of the map."""
    return [_gains(name, one, 2) for name, one in latent.latent.modalities.items()]


def section(selection: Selection, latent: LatentOutputs) -> Section:
    """Return the section: the map, what its places mean, the comparison."""
    points = latent.latent_points[latent.latent_points["modality"] == "audio"]
    text = (
        "A variational auto-encoder describes each release by a few numbers and reconstructs all measures "
        "from them. With two numbers the releases form a map. The axes have no meaning of their own; the "
        "panels below the map show which measures are high where. All figures are from artists that the "
        "models have not seen."
    )
    each = [(name, one, row.width) for name, one in latent.latent.modalities.items() for row in one.widths]
    return Section(
        "latent",
        "A map of emotion",
        (
            Prose(text),
            _map(selection, points),
            *(_panels(name, latent.latent_grid) for name in latent.latent.modalities),
            Prose(points=tuple(_gains(*one) for one in each)),
            _table(latent),
        ),
    )


def _gains(name: str, one: LatentModality, width: int) -> str:
    row = next(row for row in one.widths if row.width == width)
    return (
        f"With {width} numbers for the {NAMES[name]} of a release by an unseen artist, the auto-encoder is "
        f"{_verdict(row.over_pca, 'principal components')}, and "
        f"{_verdict(row.over_factor_analysis, 'factor analysis')}, which is linear but has a separate noise "
        "for each measure."
    )


def _verdict(gain: Gain, rival: str) -> str:
    figures = f"({signed(gain.value, 2)} nats, 95% interval {signed(gain.low, 2)} to {signed(gain.high, 2)})"
    if gain.low > 0:
        return f"better than {rival} {figures}"
    word = "worse than" if gain.high < 0 else "not distinguishable from"
    return f"{word} {rival} {figures}"


def _map(selection: Selection, points: pd.DataFrame) -> Figure:
    paths = [
        draw.Path(artist.name, points[points["artist_id"] == artist.artist_id].sort_values("time"))
        for artist in selection.artists
    ]
    paths = [path for path in paths if len(path.points)]
    return Figure(
        (draw.career_map(points, paths).picture(),),
        "Years of careers on the map of sound. Shaded: all years; stronger where there are more. Choose an "
        "artist to see one career; a point shows its year on hover. Uncertainty: a year of few songs can "
        "lie far from its neighbours by chance.",
    )


def _panels(name: str, table: pd.DataFrame) -> Figure:
    dimensions = PANELS[name]
    alt = f"Expected {', '.join(dimensions)} over the map of {NAMES[name]}."
    chart = draw.panels(name, table[table["modality"] == name], dimensions, alt)
    return Figure(
        (chart.picture(),),
        f"What the places of the map of {NAMES[name]} stand for: the expected measure, in standard "
        "deviations. Straight, parallel bands would mean that a linear map does as well.",
    )


def _table(latent: LatentOutputs) -> Grid:
    rows: list[tuple[str | Cell, ...]] = []
    for name, one in latent.latent.modalities.items():
        for row in one.widths:
            values = (row.pca, row.factor_analysis, row.vae)
            rows.append(
                (
                    f"{NAMES[name]}, {row.width}",
                    *(Cell(signed(value, 2), value == max(values)) for value in values),
                    signed(one.gaussian, 2),
                    f"{row.active_units} of {row.width}",
                    f"{row.variance:.2f}",
                )
            )
    first = next(iter(latent.latent.modalities.values()))
    return grid(
        "Log likelihood per release of unseen artists, in nats (higher is better). That of the auto-encoder "
        f"is a lower bound with {latent.latent.samples} draws per release; the others are exact. The normal "
        "distribution has a full covariance and is no model of few numbers. Active: latent dimensions that "
        "the model uses. Noise: learned observation variance, where 1 is the variance of a measure. "
        f"Sound: {count(first.held_out_releases)} years of {count(first.held_out_artists)} unseen artists.",
        (
            "modality, width", "principal components", "factor analysis", "auto-encoder", "normal", "active",
            "noise",
        ),
        rows,
    )  # fmt: skip
