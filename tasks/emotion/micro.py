"""Stage emotion-micro: course of emotion in songs and in lyric sections.

Ratings: a section is a tenth of an excerpt. The spread of the raters is known for 744 of the songs (the
pooled value is used for the others); it is on the scale -1..1 and halved to the scale of the means. It is
a shift of the song as a whole: as an error of each tenth it would be ten times as large as the movement
of the curves, and the metrics contain the likelihood of both readings. With as many polynomials as tenths
the model can follow any curve. The covariance of their amplitudes is learnt by class and shrunk to that
of a Brownian path. Lyrics: a section is a kind of section; a rate of words has the known variance
100 rate / words of a Poisson count.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from methods.temporal import micro as model
from methods.temporal import micro_scores as scores
from methods.temporal.micro_basis import brownian_shape, polynomials, section_bases
from statewright.contracts import ContractError, Table
from tasks.emotion.contracts.micro import (
    TENTHS,
    LyricMetrics,
    MicroMetrics,
    MicroOutputs,
    PredictionScore,
    RatingMetrics,
)
from tasks.emotion.contracts.raw import SectionKinds, WithinSong
from tasks.emotion.params import MicroParams

RATING_SCALE = 0.5
"""Factor from the scale of the raters' spread, -1..1, to that of the means, 0..1."""

RATER_DEGREE = 5
"""Degree of the polynomials for the comparison of two readings of the raters' spread."""

HELD_OUT, MASKS = 3, 5
"""Tenths held out in a song, and number of random masks."""


def micro(
    within_song: Table[WithinSong], section_kinds: Table[SectionKinds], *, params: MicroParams
) -> MicroOutputs:
    """Fit the course of every song, and score predictions of held-out sections."""
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
    """Return masks for training (1/2 of the songs), selection (1/4) and test (1/4)."""
    rank = np.random.default_rng(seed).permutation(songs) / songs
    return rank < 0.5, (rank >= 0.5) & (rank < 0.75), rank >= 0.75


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
    basis = polynomials(TENTHS, TENTHS - 1)
    scored = {}
    for strength in params.strengths:
        fitted = _fit_ratings(truth[learn], shared[learn], basis, strength, params)
        posterior = model.posterior(fitted, truth[choose], basis, shared=shared[choose])
        scored[strength] = float(posterior.log_likelihood.mean())
    strength = max(scored, key=lambda candidate: scored[candidate])
    as_shift, as_errors = _rater_spread(truth, shared, polynomials(TENTHS, RATER_DEGREE), learn, choose)
    known = _fit_ratings(truth[~test], shared[~test], basis, strength, params)
    whole = _fit_ratings(truth, shared, basis, strength, params)
    order, shape = np.argsort(_moves(whole)), (int(test.sum()), TENTHS)
    anywhere, excess, error = scores.compare(
        known, truth[~test], truth[test], basis,
        [scores.hold_out_random(shape, HELD_OUT, params.seed + mask) for mask in range(MASKS)],
        shared=shared[test],
    )  # fmt: skip
    end = scores.compare(
        known, truth[~test], truth[test], basis, [scores.hold_out_last(shape, HELD_OUT)], shared=shared[test]
    )[0]
    metrics = RatingMetrics(
        songs=len(truth),
        strength=strength,
        converged=whole.converged,
        log_likelihood={f"{key:g}": round(value, 3) for key, value in scored.items()},
        rater_sd_shared=round(as_shift, 3),
        rater_sd_each=round(as_errors, 3),
        noise_sd=[round(float(x), 5) for x in np.sqrt(whole.noise[order])],
        moves_sd=[round(float(x), 5) for x in _moves(whole)[order]],
        share_of_songs=[round(float(x), 4) for x in whole.weight[order]],
        hidden_anywhere=_documents(anywhere),
        hidden_end=_documents(end),
        excess_of_line=round(excess, 4),
        excess_error=round(error, 4),
    )
    return _curve_rows(whole, values, basis, shared, dimension), metrics


def _fit_ratings(
    values: np.ndarray, shared: np.ndarray, basis: np.ndarray, strength: float, params: MicroParams
) -> model.MicroFit:
    prior = model.Prior(brownian_shape(basis), strength)
    return model.fit(values, basis, shared=shared, classes=params.classes, prior=prior)


def _moves(fitted: model.MicroFit) -> np.ndarray:
    """Return the root mean square of a song's curve about its level, by class."""
    return np.sqrt(np.trace(fitted.covariance[:, 1:, 1:], axis1=1, axis2=2))


def _rater_spread(
    truth: np.ndarray, shared: np.ndarray, basis: np.ndarray, learn: np.ndarray, choose: np.ndarray
) -> tuple[float, float]:
    """Return the log-likelihood per song for two readings of the raters' spread.

    The spread is a shift of the song, or an error of each tenth.
    """
    each = np.repeat(shared[:, None], TENTHS, axis=1)
    likelihoods = []
    for error in ({"shared": shared}, {"known": each}):
        parts = [{name: one[rows] for name, one in error.items()} for rows in (learn, choose)]
        fitted = model.fit(truth[learn], basis, classes=1, **parts[0])
        likelihoods.append(model.posterior(fitted, truth[choose], basis, **parts[1]).log_likelihood.mean())
    return float(likelihoods[0]), float(likelihoods[1])


def _curve_rows(
    fitted: model.MicroFit, values: pd.DataFrame, basis: np.ndarray, shared: np.ndarray, dimension: str
) -> pd.DataFrame:
    posterior = model.posterior(fitted, values.to_numpy(), basis, shared=shared)
    rank = np.argsort(np.argsort(_moves(fitted)))
    return pd.DataFrame(
        {
            "dimension": dimension,
            "song_id": np.repeat(values.index.to_numpy(), TENTHS),
            "part": np.tile(np.arange(TENTHS), len(values)),
            "observed": values.to_numpy().ravel(),
            "curve": posterior.curve.ravel().round(5),
            "curve_sd": np.sqrt(np.maximum(posterior.curve_variance, 0)).ravel().round(5),
            "song_class": np.repeat(rank[posterior.share.argmax(axis=1)], TENTHS),
            "noise_sd": np.repeat(np.sqrt(posterior.noise).round(5), TENTHS),
        }
    )


def _documents(by_name: dict[str, scores.Score]) -> dict[str, PredictionScore]:
    return {
        name: PredictionScore(
            rmse=round(score.rmse, 5),
            median_error=round(score.median_error, 5),
            log_density=round(score.log_density, 4),
        )
        for name, score in by_name.items()
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
    bases = section_bases(position.to_numpy(), len(kinds))
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
    hidden = scores.compare(
        fits[chosen], truth[learn], truth[test], bases[chosen][test],
        [scores.hold_out_one(truth[test], params.seed)], known=known[test],
    )[0]  # fmt: skip
    metrics = LyricMetrics(
        songs=len(truth),
        chosen=chosen,
        log_likelihood={name: round(value, 4) for name, value in scored.items()},
        hidden_section=_documents(hidden),
    )
    return _effects(truth, known, bases["kind"], emotion, params), metrics


def _effects(
    truth: np.ndarray, known: np.ndarray, basis: np.ndarray, emotion: str, params: MicroParams
) -> pd.DataFrame:
    contrasts = basis[0][:, 1:]
    rng = np.random.default_rng(params.seed)

    whole = model.fit(truth, basis, known=known, classes=1)

    def resampled() -> np.ndarray:
        rows = rng.integers(len(truth), size=len(truth))
        fitted = model.fit(truth[rows], basis[rows], known=known[rows], start=whole, iterations=30)
        return contrasts @ fitted.mean[1:]

    drawn = np.array([resampled() for _ in range(params.draws)])
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
