"""Stage emotion-micro: the course of rated emotion through songs, of lyric emotion through sections.

Ratings: a tenth of an excerpt is a section. What raters differ by is known for 744 of the songs
(the pooled value stands for the others); it is on the scale -1..1 and halved to that of the means.
It shifts a song as a whole: taken as an error of each tenth it would be ten times what the curves
move at all, and the stage reports how much worse that fits. Lyrics: a kind of section is a
section; counting words gives each rate the known variance 100 rate / words of a Poisson count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from methods.temporal import micro as model
from methods.temporal import micro_scores as scores
from statewright.contracts import ContractError, Document, Table
from tasks.emotion.params import MicroParams
from tasks.emotion.raw import SectionKinds, WithinSong

TENTHS = 10
RATING_SCALE = 0.5
"""The spread between raters is given on -1..1, the means on 0..1."""


class SongCurves(pa.DataFrameModel):
    """One row a song, dimension and tenth: rated mean, and the model's curve with its error.

    `song_class` is the most probable class, from the calmest (0); `noise_sd` the song's own noise.
    """

    dimension: Series[str]
    song_id: Series[int]
    part: Series[int] = pa.Field(ge=0, lt=TENTHS)
    observed: Series[float]
    curve: Series[float]
    curve_sd: Series[float] = pa.Field(ge=0)
    song_class: Series[int] = pa.Field(ge=0)
    noise_sd: Series[float] = pa.Field(ge=0)


class SectionEffects(pa.DataFrameModel):
    """One row an emotion and kind of section: words per 100, above or below the song's average.

    `low` and `high` hold 95 % of bootstrap samples of songs; `spread` is how much songs differ.
    """

    emotion: Series[str]
    kind: Series[str]
    difference: Series[float]
    low: Series[float]
    high: Series[float]
    spread: Series[float] = pa.Field(ge=0)
    songs: Series[int] = pa.Field(ge=1)


class Foretold(Document):
    """Errors over hidden sections of songs that the model was not fitted to."""

    rmse: float
    median_error: float
    log_density: float


class RatingMetrics(Document):
    """`degree` of the polynomials is chosen by `log_likelihood` a song on songs left out.

    `rater_sd_shared`, `rater_sd_each`: log-likelihood a song with the spread of raters as a shift of the
    whole song, and as an error of each tenth.
    """

    songs: int
    degree: int
    converged: bool
    log_likelihood: dict[str, float]
    rater_sd_shared: float
    rater_sd_each: float
    noise_sd: list[float]
    share_of_songs: list[float]
    hidden_anywhere: dict[str, Foretold]
    hidden_end: dict[str, Foretold]


class LyricMetrics(Document):
    """`chosen` has the highest log-likelihood a song on songs left out."""

    songs: int
    chosen: str
    log_likelihood: dict[str, float]
    hidden_section: dict[str, Foretold]


class MicroMetrics(Document):
    ratings: dict[str, RatingMetrics]
    lyrics: dict[str, LyricMetrics]


class MicroOutputs(NamedTuple):
    song_curves: Table[SongCurves]
    section_effects: Table[SectionEffects]
    micro: MicroMetrics


def micro(
    within_song: Table[WithinSong], section_kinds: Table[SectionKinds], *, params: MicroParams
) -> MicroOutputs:
    """Fit the course of every song, and score hidden sections against plain guesses."""
    curves, ratings = [], {}
    for dimension in ("arousal", "valence"):
        rows, ratings[dimension] = _ratings(within_song, dimension, params)
        curves.append(rows)
    effects, lyrics = [], {}
    for emotion in params.emotions:
        part, lyrics[emotion] = _lyrics(section_kinds, emotion, params)
        effects.append(part)
    return MicroOutputs(
        pd.concat(curves, ignore_index=True),
        pd.concat(effects, ignore_index=True),
        MicroMetrics(ratings=ratings, lyrics=lyrics),
    )


def split(songs: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half of the songs to learn from, a quarter to choose by, a quarter to score: masks."""
    place = np.random.default_rng(seed).permutation(songs) / songs
    return place < 0.5, (place >= 0.5) & (place < 0.75), place >= 0.75


def _ratings(table: pd.DataFrame, dimension: str, params: MicroParams) -> tuple[pd.DataFrame, RatingMetrics]:
    values = table.pivot(index="song_id", columns="part", values=dimension).reindex(columns=range(TENTHS))
    values = values.dropna()
    if len(values) < params.min_songs:
        raise ContractError(
            f"emotion-micro: within_song.parquet has {len(values)} songs with all {TENTHS} tenths rated, "
            f"expected at least {params.min_songs}; add songs or lower emotion.micro.min_songs"
        )
    spread = table.groupby("song_id")[f"rater_{dimension}_sd"].first().reindex(values.index) * RATING_SCALE
    shared = (spread**2).fillna((spread**2).mean()).fillna(0.0).to_numpy() / params.raters
    truth = values.to_numpy()
    learn, choose, test = split(len(truth), params.seed)
    fits, scored = {}, {}
    for degree in range(params.max_degree + 1):
        basis = model.polynomials(TENTHS, degree)
        fits[degree] = model.fit(truth[learn], basis, shared=shared[learn], classes=params.classes)
        found = model.posterior(fits[degree], truth[choose], basis, shared=shared[choose])
        scored[degree] = float(found.log_likelihood.mean())
    degree = max(scored, key=lambda candidate: scored[candidate])
    basis = model.polynomials(TENTHS, degree)
    as_shift, as_errors = _rater_spread(truth, shared, basis, learn, choose)
    whole = model.fit(truth, basis, shared=shared, classes=params.classes)
    order = np.argsort(whole.noise)
    shape = (int(test.sum()), TENTHS)
    metrics = RatingMetrics(
        songs=len(truth),
        degree=degree,
        converged=whole.converged,
        log_likelihood={str(key): round(value, 3) for key, value in scored.items()},
        rater_sd_shared=round(as_shift, 3),
        rater_sd_each=round(as_errors, 3),
        noise_sd=[round(float(x), 5) for x in np.sqrt(whole.noise[order])],
        share_of_songs=[round(float(x), 4) for x in whole.weight[order]],
        hidden_anywhere=_foretold(
            fits[degree],
            truth,
            (learn, test),
            basis,
            scores.hide_random(shape, 3, params.seed),
            shared=shared,
        ),
        hidden_end=_foretold(
            fits[degree], truth, (learn, test), basis, scores.hide_last(shape, 3), shared=shared
        ),
    )
    return _curve_rows(whole, values, basis, shared, dimension), metrics


def _rater_spread(
    truth: np.ndarray, shared: np.ndarray, basis: np.ndarray, learn: np.ndarray, choose: np.ndarray
) -> tuple[float, float]:
    """Log-likelihood a song, one class, with the raters' spread as a shift and as errors of tenths."""
    each = np.repeat(shared[:, None], TENTHS, axis=1)
    found = []
    for error in ({"shared": shared}, {"known": each}):
        parts = [{name: one[rows] for name, one in error.items()} for rows in (learn, choose)]
        fitted = model.fit(truth[learn], basis, classes=1, **parts[0])
        found.append(model.posterior(fitted, truth[choose], basis, **parts[1]).log_likelihood.mean())
    return float(found[0]), float(found[1])


def _curve_rows(
    fitted: model.MicroFit, values: pd.DataFrame, basis: np.ndarray, shared: np.ndarray, dimension: str
) -> pd.DataFrame:
    found = model.posterior(fitted, values.to_numpy(), basis, shared=shared)
    rank = np.argsort(np.argsort(fitted.noise))
    return pd.DataFrame(
        {
            "dimension": dimension,
            "song_id": np.repeat(values.index.to_numpy(), TENTHS),
            "part": np.tile(np.arange(TENTHS), len(values)),
            "observed": values.to_numpy().ravel(),
            "curve": found.curve.ravel().round(5),
            "curve_sd": np.sqrt(np.maximum(found.curve_variance, 0)).ravel().round(5),
            "song_class": np.repeat(rank[found.share.argmax(axis=1)], TENTHS),
            "noise_sd": np.repeat(np.sqrt(found.noise).round(5), TENTHS),
        }
    )


def _foretold(
    fitted: model.MicroFit,
    truth: np.ndarray,
    songs: tuple[np.ndarray, np.ndarray],
    basis: np.ndarray,
    hidden: np.ndarray,
    *,
    known: np.ndarray | None = None,
    shared: np.ndarray | None = None,
) -> dict[str, Foretold]:
    """The model and the plain guesses on the songs to score; guesses' errors are learnt like the model's."""
    learn, test = songs
    seen = np.where(hidden, np.nan, truth[test])
    # the same sections hidden, in turn, in the songs to learn from: the guesses' error variance
    mask = np.resize(hidden, truth[learn].shape) & np.isfinite(truth[learn])
    mask &= (np.isfinite(truth[learn]) & ~mask).any(axis=1)[:, None]
    past = np.where(mask, np.nan, truth[learn])
    guesses = {
        "song mean": (scores.constant(past), scores.constant(seen)),
        "common curve": (
            scores.common_curve(past, truth[learn]),
            scores.common_curve(seen, truth[learn]),
        ),
        "straight line": (scores.interpolation(past), scores.interpolation(seen)),
    }
    found = {
        name: scores.score_point(truth[test], now, hidden, float(((truth[learn] - before)[mask] ** 2).mean()))
        for name, (before, now) in guesses.items()
    }
    found["model"] = scores.score_model(
        fitted, truth[test], basis[test] if basis.ndim == 3 else basis, hidden,
        known=None if known is None else known[test], shared=None if shared is None else shared[test],
    )  # fmt: skip
    return {
        name: Foretold(
            rmse=round(score.rmse, 5),
            median_error=round(score.median_error, 5),
            log_density=round(score.log_density, 4),
        )
        for name, score in found.items()
    }


def _lyrics(table: pd.DataFrame, emotion: str, params: MicroParams) -> tuple[pd.DataFrame, LyricMetrics]:
    kinds = list(params.kinds)
    rows = table[table["kind"].isin(kinds)]
    values = rows.pivot(index="song_idx", columns="kind", values=emotion).reindex(columns=kinds)
    values = values[values.notna().sum(axis=1) >= 2]
    if len(values) < params.min_songs:
        raise ContractError(
            f"emotion-micro: section_kinds.parquet has {len(values)} songs with two of the kinds "
            f"{', '.join(kinds)}, expected at least {params.min_songs}; change emotion.micro.kinds"
        )
    words, position = (
        rows.pivot(index="song_idx", columns="kind", values=name).reindex(index=values.index, columns=kinds)
        for name in ("words", "position")
    )
    truth = values.to_numpy()
    rate = float(np.nansum(truth * words) / np.nansum(np.where(np.isfinite(truth), words, 0)))
    known = (100 * rate / words).to_numpy()
    bases = _bases(position.to_numpy(), len(kinds))
    learn, choose, test = split(len(truth), params.seed)
    fits = {
        name: model.fit(truth[learn], basis[learn], known=known[learn], classes=1)
        for name, basis in bases.items()
    }
    scored = {
        name: float(
            model.posterior(
                fits[name], truth[choose], basis[choose], known=known[choose]
            ).log_likelihood.mean()
        )
        for name, basis in bases.items()
    }
    chosen = max(scored, key=lambda name: scored[name])
    hidden = _hide_one(truth[test], params.seed)
    metrics = LyricMetrics(
        songs=len(truth),
        chosen=chosen,
        log_likelihood={name: round(value, 4) for name, value in scored.items()},
        hidden_section=_foretold(fits[chosen], truth, (learn, test), bases[chosen], hidden, known=known),
    )
    return _effects(truth, known, bases["kind"], emotion, params), metrics


def _bases(position: np.ndarray, kinds: int) -> dict[str, np.ndarray]:
    """Nothing but the baseline; a slope over the song; a level of its own for each kind."""
    ones = np.ones(position.shape)
    slope = np.nan_to_num(2 * position - 1)
    return {
        "baseline": ones[..., None],
        "position": np.stack([ones, slope], axis=-1),
        "kind": np.broadcast_to(_contrasts(kinds), (*position.shape, kinds)).copy(),
    }


def _contrasts(kinds: int) -> np.ndarray:
    """A column of ones and orthogonal contrasts of the kinds, of mean square 1."""
    columns = np.linalg.qr(np.column_stack([np.ones(kinds), np.eye(kinds)[:, 1:]]))[0]
    columns *= np.sign(columns[0, 0]) * np.sqrt(kinds)
    columns[:, 0] = 1
    return columns


def _hide_one(values: np.ndarray, seed: int) -> np.ndarray:
    order = np.random.default_rng(seed).random(values.shape)
    order[~np.isfinite(values)] = -1
    return order == order.max(axis=1, keepdims=True)


def _effects(
    truth: np.ndarray, known: np.ndarray, basis: np.ndarray, emotion: str, params: MicroParams
) -> pd.DataFrame:
    contrasts = basis[0][:, 1:]
    rng = np.random.default_rng(params.seed)

    whole = model.fit(truth, basis, known=known, classes=1)

    def again() -> np.ndarray:
        rows = rng.integers(len(truth), size=len(truth))
        fitted = model.fit(truth[rows], basis[rows], known=known[rows], start=whole, iterations=30)
        return contrasts @ fitted.mean[1:]

    drawn = np.array([again() for _ in range(params.draws)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    spread = np.sqrt(np.diag(contrasts @ whole.covariance[0][1:, 1:] @ contrasts.T))
    return pd.DataFrame(
        {
            "emotion": emotion,
            "kind": list(params.kinds),
            "difference": (contrasts @ whole.mean[1:]).round(5),
            "low": low.round(5),
            "high": high.round(5),
            "spread": spread.round(5),
            "songs": np.isfinite(truth).sum(axis=0),
        }
    )
