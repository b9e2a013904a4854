"""Stage emotion-meso: what the songs of an album share, and how much of their emotion that is.

The tables hold means, spreads and numbers of songs, not songs. So the loadings are one set for
all albums, songs within an album are taken as uncorrelated between dimensions in the error of a
mean, and the shuffle of songs is the one that these figures imply (`methods.temporal.meso_null`).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from methods.temporal import meso as model
from methods.temporal import meso_null as null
from statewright.contracts import ContractError, Document, Table
from tasks.emotion.contracts import Albums
from tasks.emotion.params import MesoParams


class AlbumCoherence(pa.DataFrameModel):
    """One row a modality and album: coherence with its 95 % interval, and the shuffles' mean.

    Whether one album is tighter than chance is not told: heavy tails of songs, which these figures do
    not hold, make small spreads common.
    """

    modality: Series[str] = pa.Field(isin=["audio", "lyrics"])
    album_id: Series[int]
    artist: Series[str]
    album: Series[str]
    year: Series[int]
    songs: Series[int] = pa.Field(ge=2)
    coherence: Series[float] = pa.Field(ge=0, le=1)
    low: Series[float] = pa.Field(ge=0, le=1)
    high: Series[float] = pa.Field(ge=0, le=1)
    shuffled: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        unique: ClassVar[list[str]] = ["modality", "album_id"]


class AlbumLoadings(pa.DataFrameModel):
    """One row a modality, factor and dimension: its loading, in deviations of a song."""

    modality: Series[str]
    factor: Series[int] = pa.Field(ge=1)
    dimension: Series[str]
    loading: Series[float]
    unique: Series[float] = pa.Field(ge=0)


class MesoSummary(Document):
    """One modality.

    `factors` is chosen by `log_likelihood` an album of artists left out. `coherence` and
    `shuffled_coherence` are means over albums, with 95 % intervals; `shuffles_as_coherent` is the
    share of shuffles whose mean is no smaller. Of the artists, `artists_with_albums` have albums that
    differ more than handfuls of their songs (after correction for their
    number). `artist_squares_ratio` is the spread of artists over that of
    artists made of random albums.
    """

    albums: int
    artists: int
    factors: int
    log_likelihood: dict[str, float]
    coherence: float
    coherence_low: float
    coherence_high: float
    shuffled_coherence: float
    shuffled_low: float
    shuffled_high: float
    shuffles_as_coherent: float
    album_share: float
    artists_with_albums: int
    artist_squares_ratio: float
    artist_p: float


class MesoMetrics(Document):
    modalities: dict[str, MesoSummary]


class MesoOutputs(NamedTuple):
    album_coherence: Table[AlbumCoherence]
    album_loadings: Table[AlbumLoadings]
    meso: MesoMetrics


def meso(albums: Table[Albums], *, params: MesoParams) -> MesoOutputs:
    """Fit the factors of the albums of both modalities, and compare with shuffled songs."""
    tables, loadings, summaries = [], [], {}
    for modality, dimensions in (("audio", params.audio), ("lyrics", params.lyrics)):
        rows = usable_albums(albums, modality, dimensions, params)
        table, loading, summaries[modality] = _modality(rows, modality, dimensions, params)
        tables.append(table)
        loadings.append(loading)
    return MesoOutputs(
        pd.concat(tables, ignore_index=True),
        pd.concat(loadings, ignore_index=True),
        MesoMetrics(modalities=summaries),
    )


def usable_albums(
    albums: pd.DataFrame, modality: str, dimensions: tuple[str, ...], params: MesoParams
) -> pd.DataFrame:
    """Albums of their year (no collection, no reissue) of enough songs, of artists with enough of them."""
    columns = [f"{dim}_{figure}" for dim in dimensions for figure in ("mean", "sd")]
    rows = albums[albums[f"has_{modality}"] & ~albums["collection"] & ~albums["reissue"]]
    rows = rows[rows[f"n_songs_{modality}"] >= params.min_songs].dropna(subset=columns)
    rows = rows[rows.groupby("artist_id")["album_id"].transform("size") >= params.min_albums]
    if rows["artist_id"].nunique() < 10:
        raise ContractError(
            f"emotion-meso: albums.parquet has {rows['artist_id'].nunique()} artists with "
            f"{params.min_albums} albums of {params.min_songs} songs with {modality}, expected at least 10; "
            "lower emotion.meso.min_albums or min_songs"
        )
    return rows.sort_values(["artist_id", "year", "album_id"], ignore_index=True)


def summarised(rows: pd.DataFrame, modality: str, dimensions: tuple[str, ...]) -> model.Albums:
    """Means and variances in units of the spread of a song about its artist."""
    mean = rows[[f"{dim}_mean" for dim in dimensions]].to_numpy(float)
    variance = rows[[f"{dim}_sd" for dim in dimensions]].to_numpy(float) ** 2
    count = rows[f"n_songs_{modality}"].to_numpy(float)
    artist = np.unique(rows["artist_id"], return_inverse=True)[1]
    raw = model.Albums(mean, variance, count, artist)
    total = (null.between(raw) + null.within(raw)).sum(axis=0) / (count.sum() - artist.max() - 1)
    return model.Albums(mean / np.sqrt(total), variance / total, count, artist)


def _modality(
    rows: pd.DataFrame, modality: str, dimensions: tuple[str, ...], params: MesoParams
) -> tuple[pd.DataFrame, pd.DataFrame, MesoSummary]:
    data = summarised(rows, modality, dimensions)
    factors, scored = _choose_factors(data, params.seed)
    spread, fitted = _fit(data, factors)
    value = model.coherence(fitted, spread.mean)
    drawn = _drawn_coherence(data, spread, fitted, params)
    shuffled, wider_f = _shuffles(data, fitted, params)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    artist_null = null.shuffled_artists(data, params.draws, params.seed)
    squares = null.artist_squares(data.mean, data.artist)
    table = pd.DataFrame(
        {
            "modality": modality,
            **rows[["album_id", "artist", "album", "year"]].to_dict("series"),
            "songs": data.count.astype(int),
            "coherence": value.round(5),
            "low": low.round(5),
            "high": high.round(5),
            "shuffled": shuffled.mean(axis=0).round(5),
        }
    )
    loadings = pd.DataFrame(
        {
            "modality": modality,
            "factor": np.repeat(np.arange(1, factors + 1), len(dimensions)),
            "dimension": list(dimensions) * factors,
            "loading": _upright(fitted.loadings).T.ravel().round(5),
            "unique": np.tile(fitted.unique, factors).round(5),
        }
    )
    common = float((fitted.loadings**2).sum())
    total = common + float(fitted.unique.sum())
    means = drawn.mean(axis=1), shuffled.mean(axis=1)
    summary = MesoSummary(
        albums=len(rows),
        artists=int(data.artist.max()) + 1,
        factors=factors,
        log_likelihood={str(key): round(one, 4) for key, one in scored.items()},
        coherence=round(float(value.mean()), 4),
        coherence_low=round(float(np.quantile(means[0], 0.025)), 4),
        coherence_high=round(float(np.quantile(means[0], 0.975)), 4),
        shuffled_coherence=round(float(means[1].mean()), 4),
        shuffled_low=round(float(np.quantile(means[1], 0.025)), 4),
        shuffled_high=round(float(np.quantile(means[1], 0.975)), 4),
        shuffles_as_coherent=round(float(np.mean(means[1] >= value.mean())), 4),
        album_share=round(float((total / (total + spread.mean.sum(axis=1))).mean()), 4),
        artists_with_albums=int((adjusted(wider_f) <= params.false_discovery_rate).sum()),
        artist_squares_ratio=round(float(squares / artist_null.mean()), 3),
        artist_p=round(float((np.sum(artist_null >= squares) + 1) / (params.draws + 1)), 4),
    )
    return table, loadings, summary


def _fit(
    data: model.Albums, factors: int, start: model.Factors | None = None
) -> tuple[model.Spread, model.Factors]:
    spread = model.pool_spread(data)
    value, noise = model.deviations(data, spread.mean)
    return spread, model.fit_factors(value, noise, factors, start=start, iterations=200, tolerance=1e-5)


def _choose_factors(data: model.Albums, seed: int) -> tuple[int, dict[int, float]]:
    """The number of factors that foretells the albums of artists left out best."""
    artists = int(data.artist.max()) + 1
    half = (np.random.default_rng(seed).permutation(artists) % 2)[data.artist]
    parts = [data.take(np.flatnonzero(half == side)) for side in (0, 1)]
    scored = {}
    for factors in range(1, model.most_factors(data.mean.shape[1]) + 1):
        total = 0.0
        for learn, test in (parts, parts[::-1]):
            fitted = _fit(learn, factors)[1]
            value, noise = model.deviations(test, model.pool_spread(test).mean)
            total += model.log_likelihood(fitted, value, noise) * len(value)
        scored[factors] = total / len(data.count)
    return max(scored, key=lambda factors: scored[factors]), scored


def _drawn_coherence(
    data: model.Albums, spread: model.Spread, fitted: model.Factors, params: MesoParams
) -> np.ndarray:
    """Factors from artists drawn anew, spreads of albums from their posterior, (draws, albums)."""
    rng = np.random.default_rng(params.seed)
    where = [np.flatnonzero(data.artist == artist) for artist in range(data.artist.max() + 1)]
    out = np.empty((params.draws, len(data.count)))
    for draw in range(params.draws):
        chosen = [where[artist] for artist in rng.integers(len(where), size=len(where))]
        again = model.Albums(
            *(part[np.concatenate(chosen)] for part in (data.mean, data.variance, data.count)),
            np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen]),
        )  # fmt: skip
        factors = _fit(again, fitted.loadings.shape[1], fitted)[1]
        within = spread.scale * spread.degrees / rng.chisquare(spread.degrees)
        out[draw] = model.coherence(factors, within)
    return out


def _shuffles(data: model.Albums, fitted: model.Factors, params: MesoParams) -> tuple[np.ndarray, np.ndarray]:
    """Coherence of shuffled songs (draws, albums), and the p value of each artist's albums."""
    coherences, larger = [], np.zeros(int(data.artist.max()) + 1)
    own = null.pseudo_f(data)
    for number, drawn in enumerate(null.shuffled_songs(data, params.shuffles, params.seed)):
        if number < params.draws:
            spread, factors = _fit(drawn, fitted.loadings.shape[1])
            coherences.append(model.coherence(factors, spread.mean))
        larger += null.pseudo_f(drawn) >= own
    return np.array(coherences), (larger + 1) / (params.shuffles + 1)


def _upright(loadings: np.ndarray) -> np.ndarray:
    """Rotate to principal axes, the largest loading of each positive: factors have no other order."""
    left, scales, _ = np.linalg.svd(loadings, full_matrices=False)
    axes = left * scales
    return axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])


def adjusted(p: np.ndarray) -> np.ndarray:
    """P values corrected for their number after Benjamini and Hochberg."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p))
