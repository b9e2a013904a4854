"""Stage emotion-meso: common factors of the songs of an album.

The tables hold means, spreads and numbers of songs, not songs. Therefore all albums share one set of
loadings, the error of an album's mean is assumed uncorrelated between dimensions, and the shuffle of
songs is the one that these figures imply (`methods.temporal.meso_null`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from methods.temporal import meso as model
from methods.temporal import meso_inference as inference
from methods.temporal import meso_null as null
from statewright.contracts import ContractError, Table
from tasks.emotion.contracts.meso import MesoMetrics, MesoOutputs, MesoSummary
from tasks.emotion.contracts.tables import Albums
from tasks.emotion.params import MesoParams


def meso(albums: Table[Albums], *, params: MesoParams) -> MesoOutputs:
    """Fit the album factors of both modalities, and compare them with shuffled songs."""
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
    """Return albums of enough songs by artists of enough albums.

    Collections and reissues are excluded.
    """
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
    """Return means and variances in units of the spread of a song about its artist."""
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
    factors, scored = inference.choose_factors(data, params.seed)
    spread, fitted = inference.fit(data, factors)
    value = model.coherence(fitted, spread.mean)
    sure = inference.intervals(
        data, spread, fitted, groups=params.groups, draws=params.album_draws, seed=params.seed
    )
    shuffled, wider_f = inference.shuffles(
        data, fitted, fits=params.draws, draws=params.shuffles, seed=params.seed
    )
    artist_null = null.shuffled_artists(data, params.draws, params.seed)
    squares = null.artist_squares(data.mean, data.artist)
    table = pd.DataFrame(
        {
            "modality": modality,
            **rows[["album_id", "artist", "album", "year"]].to_dict("series"),
            "songs": data.count.astype(int),
            "coherence": value.round(5),
            "low": sure.album_low.round(5),
            "high": sure.album_high.round(5),
            "shuffled": shuffled.mean(axis=0).round(5),
        }
    )
    loadings = pd.DataFrame(
        {
            "modality": modality,
            "factor": np.repeat(np.arange(1, factors + 1), len(dimensions)),
            "dimension": list(dimensions) * factors,
            "loading": inference.principal_axes(fitted.loadings).T.ravel().round(5),
            "unique": np.tile(fitted.unique, factors).round(5),
        }
    )
    common = float((fitted.loadings**2).sum())
    total = common + float(fitted.unique.sum())
    chance = shuffled.mean(axis=1)
    summary = MesoSummary(
        albums=len(rows),
        artists=int(data.artist.max()) + 1,
        factors=factors,
        log_likelihood={str(key): round(score, 4) for key, score in scored.items()},
        coherence=round(float(value.mean()), 4),
        coherence_low=round(sure.low, 4),
        coherence_high=round(sure.high, 4),
        shuffled_coherence=round(float(chance.mean()), 4),
        shuffled_low=round(float(np.quantile(chance, 0.025)), 4),
        shuffled_high=round(float(np.quantile(chance, 0.975)), 4),
        shuffles_as_coherent=round(float(np.mean(chance >= value.mean())), 4),
        album_share=round(float((total / (total + spread.mean.sum(axis=1))).mean()), 4),
        artists_with_albums=int((adjusted(wider_f) <= params.false_discovery_rate).sum()),
        artist_squares_ratio=round(float(squares / artist_null.mean()), 3),
        artist_p=round(float((np.sum(artist_null >= squares) + 1) / (params.draws + 1)), 4),
    )
    return table, loadings, summary


def adjusted(p: np.ndarray) -> np.ndarray:
    """Correct p values for their number by the method of Benjamini and Hochberg."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p))
