"""Album factors and coherence against scikit-learn, simulations and real songs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import FactorAnalysis

from methods.temporal import meso, meso_inference, meso_null

LOADINGS = np.array([[0.7], [0.5], [-0.4], [0.3]])
UNIQUE = np.array([0.1, 0.2, 0.1, 0.2])


def albums(seed: int, artists: int = 150, each: int = 5, within: float = 1.0, state: float = 1.0):
    """Draw songs from the model; return their albums and the songs."""
    rng = np.random.default_rng(seed)
    artist = np.repeat(np.arange(artists), each)
    m = len(artist)
    level = 2 * rng.normal(size=(artists, 4))[artist]
    true = rng.normal(size=(m, 1)) @ LOADINGS.T + rng.normal(size=(m, 4)) * np.sqrt(UNIQUE)
    sigma2 = within * 10 / rng.chisquare(10, size=(m, 4))
    count = rng.integers(5, 20, size=m)
    songs = [
        level[i] + state * true[i] + rng.normal(size=(count[i], 4)) * np.sqrt(sigma2[i]) for i in range(m)
    ]
    return summary(songs, artist), songs, sigma2


def summary(songs, artist) -> meso.Albums:
    return meso.Albums(
        np.array([song.mean(axis=0) for song in songs]),
        np.array([song.var(axis=0, ddof=1) for song in songs]),
        np.array([float(len(song)) for song in songs]),
        np.asarray(artist),
    )


def test_without_sampling_error_it_is_factor_analysis():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(800, 1)) @ LOADINGS.T + rng.normal(size=(800, 4)) * np.sqrt(UNIQUE)
    value -= value.mean(axis=0)
    oracle = FactorAnalysis(1, tol=1e-10, max_iter=5000).fit(value)
    ours = meso.fit_factors(value, np.zeros_like(value), 1, iterations=5000, tolerance=1e-12)
    assert ours.log_likelihood[-1] / 800 == pytest.approx(oracle.score(value), abs=1e-5)
    np.testing.assert_allclose(ours.unique, oracle.noise_variance_, atol=2e-3)
    np.testing.assert_allclose(np.abs(ours.loadings[:, 0]), np.abs(oracle.components_[0]), atol=2e-3)
    assert np.diff(ours.log_likelihood).min() > -1e-8


def test_known_error_is_removed():
    rng = np.random.default_rng(1)
    noise = rng.uniform(0.1, 1.5, size=(3000, 4))
    value = rng.normal(size=(3000, 1)) @ LOADINGS.T
    value += rng.normal(size=(3000, 4)) * np.sqrt(UNIQUE + noise)
    found = meso.fit_factors(value, noise, 1, iterations=1000, tolerance=1e-8)
    np.testing.assert_allclose(np.abs(found.loadings), np.abs(LOADINGS), atol=0.08)
    np.testing.assert_allclose(found.unique, UNIQUE, atol=0.08)
    whole = LOADINGS @ LOADINGS.T + np.diag(UNIQUE)
    from scipy.stats import multivariate_normal

    model = meso.Factors(LOADINGS, UNIQUE, np.array([]))
    direct = [multivariate_normal(None, whole + np.diag(noise[i])).logpdf(value[i]) for i in range(200)]
    assert meso.log_likelihood(model, value[:200], noise[:200]) == pytest.approx(np.mean(direct), abs=1e-10)


def test_pooled_spread_recovers_its_prior_and_beats_the_raw_one():
    data, _, sigma2 = albums(2, artists=400)
    found = meso.pool_spread(data)
    # sigma^2 = 10 / chi2(10): d0 = 10; 2,000 albums know it to about 10 %
    np.testing.assert_allclose(found.prior_degrees, 10, rtol=0.35)
    assert np.mean((found.mean - sigma2) ** 2) < 0.7 * np.mean((data.variance - sigma2) ** 2)
    assert found.mean.mean() == pytest.approx(sigma2.mean(), rel=0.03)
    # the pivot degrees * scale / sigma^2 is chi-square a posteriori
    pivot = found.degrees * found.scale / sigma2
    assert pivot.mean() == pytest.approx(found.degrees.mean(), rel=0.03)


def test_deviations_have_the_stated_variance():
    data, _, sigma2 = albums(3, artists=2000, each=3, state=0.0)
    found = meso.deviations(data, sigma2)
    np.testing.assert_allclose((found.value**2 / found.noise).mean(axis=0), 1, atol=0.06)


def test_coherence_of_simulated_albums():
    data, _, _ = albums(4, artists=600)
    spread = meso.pool_spread(data)
    value, noise = meso.deviations(data, spread.mean)
    found = meso.coherence(meso.fit_factors(value, noise, 1), spread.mean).mean()
    common = (LOADINGS**2).sum()
    expected = meso.coherence(meso.Factors(LOADINGS, UNIQUE, np.array([])), spread.mean).mean()
    assert found == pytest.approx(expected, abs=0.03)
    assert expected == pytest.approx(common / (common + UNIQUE.sum() + 4 * 10 / 8), abs=0.03)


def test_sums_of_squares_equal_those_of_the_songs():
    data, songs, _ = albums(5, artists=6)
    for artist in range(6):
        own = [song for song, who in zip(songs, data.artist, strict=True) if who == artist]
        whole = np.concatenate(own)
        total = ((whole - whole.mean(axis=0)) ** 2).sum(axis=0)
        got = meso_null.between(data)[artist] + meso_null.within(data)[artist]
        np.testing.assert_allclose(got, total)


def test_a_shuffle_keeps_totals_and_has_no_album_effect():
    data, _, _ = albums(6, artists=200)
    total = meso_null.between(data) + meso_null.within(data)
    ratios = []
    for drawn in meso_null.shuffled_songs(data, 20, seed=0):
        np.testing.assert_allclose(meso_null.between(drawn) + meso_null.within(drawn), total)
        ratios.append(np.median(meso_null.pseudo_f(drawn)))
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert np.median(meso_null.pseudo_f(data)) > 3


def test_a_shuffle_of_summaries_equals_a_shuffle_of_songs():
    # The oracle: assign the songs themselves at random, and compare the distributions of pseudo-F.
    data, songs, _ = albums(7, artists=40)
    rng = np.random.default_rng(0)
    real = np.array([meso_null.pseudo_f(deal(songs, data.artist, rng)) for _ in range(60)])
    ours = np.array([meso_null.pseudo_f(drawn) for drawn in meso_null.shuffled_songs(data, 60, 1)])
    # 2,400 values each: quantiles are known to a few per cent
    for q in (0.1, 0.5, 0.9, 0.95):
        assert np.quantile(ours, q) == pytest.approx(np.quantile(real, q), rel=0.12)


def deal(songs, artist, rng) -> meso.Albums:
    out = list(songs)
    for who in np.unique(artist):
        places = np.flatnonzero(artist == who)
        pool = rng.permutation(np.concatenate([songs[i] for i in places]))
        cuts = np.cumsum([len(songs[i]) for i in places])[:-1]
        for i, part in zip(places, np.split(pool, cuts), strict=True):
            out[i] = part
    return summary(out, artist)


@pytest.mark.slow
def test_shuffle_of_real_songs(external_data: Callable[..., Path]):
    import pandas as pd

    dims = ["valence", "energy", "danceability", "acousticness"]
    table = pd.read_parquet(external_data("music", "spotify_album_tracks.parquet"))
    artist, album = (next(c for c in table.columns if c.startswith(name)) for name in ("artist", "album"))
    table = table.dropna(subset=dims)
    table = table[table.groupby([artist, album])[dims[0]].transform("size").between(6, 30)]
    several = table.drop_duplicates([artist, album]).groupby(artist).size()
    kept = several[several >= 3].index[:120]
    table = table[table[artist].isin(kept)]
    scale = table[dims].std().to_numpy()
    groups = [(who, part[dims].to_numpy() / scale) for (who, _), part in table.groupby([artist, album])]
    owner = np.unique([who for who, _ in groups], return_inverse=True)[1]
    songs = [values for _, values in groups]
    data, rng = summary(songs, owner), np.random.default_rng(0)
    real = np.array([meso_null.pseudo_f(deal(songs, owner, rng)) for _ in range(60)])
    ours = np.array([meso_null.pseudo_f(drawn) for drawn in meso_null.shuffled_songs(data, 60, 1)])
    for q in (0.5, 0.9, 0.95):
        assert np.quantile(ours, q) == pytest.approx(np.quantile(real, q), rel=0.15)


def test_shuffled_artists_lie_below_true_ones():
    data, _, _ = albums(8, artists=60)
    drawn = meso_null.shuffled_artists(data, 50, seed=0)
    assert meso_null.artist_squares(data.mean, data.artist) > 2 * drawn.max()
    # E of the permuted sum: (artists - 1) times the variance of all albums
    expected = 59 * data.mean.var(axis=0, ddof=1).sum()
    assert drawn.mean() == pytest.approx(expected, rel=0.05)


def test_errors_name_invalid_input():
    data, *_ = albums(9, artists=3)
    with pytest.raises(ValueError, match="1 album; expected at least 2"):
        data.take(np.arange(4, 15))
    with pytest.raises(ValueError, match="2 songs"):
        meso.Albums(data.mean, data.variance, np.ones(15), data.artist)
    with pytest.raises(ValueError, match="expected 1 to 1"):
        meso.fit_factors(data.mean, np.zeros_like(data.mean), 2)


@pytest.mark.slow
def test_intervals_of_simulated_albums_have_their_coverage():
    # 60 samples of a share of 0.95 have a standard error of 3 %
    mean, album = [], []
    for seed in range(60):
        data, _, sigma2 = albums(100 + seed, artists=60, each=4)
        true = meso.coherence(meso.Factors(LOADINGS, UNIQUE, np.array([])), sigma2)
        spread, fitted = meso_inference.fit(data, 1)
        found = meso_inference.intervals(data, spread, fitted, groups=20, draws=100, seed=seed)
        assert found.low < meso.coherence(fitted, spread.mean).mean() < found.high
        mean.append(found.low <= true.mean() <= found.high)
        album.append(((found.album_low <= true) & (true <= found.album_high)).mean())
    assert 0.86 <= np.mean(mean) <= 1
    assert 0.86 <= np.mean(album) <= 0.99


def test_interval_equals_the_jackknife_by_definition():
    data, _, _ = albums(8, artists=12, each=3)
    spread, fitted = meso_inference.fit(data, 1)
    found = meso_inference.intervals(data, spread, fitted, groups=12, draws=20, seed=0)
    # as many groups as artists: the order of the groups does not matter
    logits = []
    for artist in range(12):
        own, factors = meso_inference.fit(data.take(np.flatnonzero(data.artist != artist)), 1, fitted)
        logits.append(np.log(1 / (1 / meso.coherence(factors, own.mean).mean() - 1)))
    half = 2.200985 * np.sqrt(11 * np.var(logits))  # Student's t of 11 degrees, 0.975
    centre = np.log(1 / (1 / meso.coherence(fitted, spread.mean).mean() - 1))
    assert found.low == pytest.approx(1 / (1 + np.exp(half - centre)), abs=1e-6)
    assert found.high == pytest.approx(1 / (1 + np.exp(-half - centre)), abs=1e-6)
    with pytest.raises(ValueError, match="13 groups of 12 artists"):
        meso_inference.intervals(data, spread, fitted, groups=13, draws=20, seed=0)


def test_the_number_of_factors_is_found():
    one, _, _ = albums(9, artists=80)
    assert meso_inference.choose_factors(one, seed=0)[0] == 1
    turned = meso_inference.principal_axes(np.array([[0.0, -2.0], [1.0, 0.0], [0.0, 0.1]]))
    np.testing.assert_allclose(turned, [[2, 0], [0, 1], [-0.1, 0]], atol=1e-9)
