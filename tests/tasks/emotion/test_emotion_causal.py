"""The causal stage: panels against plain loops, planted effects in real careers."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.causal import cpdag_of_dag
from statewright.contracts import check
from tasks.emotion.causal import CausalOutputs, _corrected, _score_metrics, causal
from tasks.emotion.params import CausalParams
from tasks.emotion.series.panels import (
    artist_years,
    random_influencers,
    with_influencers,
    with_past,
    without_trend,
)

SOURCE = Path(__file__).parents[3] / "data/source"
DIMENSIONS = ["valence", "energy", "danceability"]
PARAMS = shipped_params(CausalParams, "emotion.causal", dimensions=tuple(DIMENSIONS), draws=10)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Tables of preprocess that this stage reads, from the committed source."""
    careers = pd.read_parquet(SOURCE / "career_audio.parquet").astype({"year": int})
    music = pd.read_parquet(SOURCE / "music_years.parquet").astype({"year": int})
    return {
        "careers": careers.assign(thin=careers["n_songs"] < 3),
        "artists": pd.read_parquet(SOURCE / "artists.parquet").assign(ambiguous=False),
        "years": music.assign(source="music"),
        "influence": pd.read_parquet(SOURCE / "influence.parquet"),
    }


@pytest.fixture(scope="module")
def rows(tables) -> pd.DataFrame:
    return artist_years(tables["careers"], tables["artists"], DIMENSIONS, min_songs=3)


def test_past_equals_a_loop(rows):
    found = with_past(rows, DIMENSIONS, max_gap=3).set_index(["artist_id", "year"])
    wanted = 0
    for artist_id, career in list(rows.groupby("artist_id"))[:80]:
        values, years = career["energy"].to_numpy(), career["year"].to_numpy()
        for i in range(1, len(years)):
            if years[i] - years[i - 1] > 3:
                assert (artist_id, years[i]) not in found.index
                continue
            row = found.loc[(artist_id, years[i])]
            before = values[: i - 1].mean() if i > 1 else np.nan
            got = row[["energy now", "energy last", "energy before"]].to_numpy(float)
            np.testing.assert_allclose(got, [values[i], values[i - 1], before], atol=1e-12)
            wanted += 1
    assert wanted > 100


def test_influencers_count_in_the_years_before_only(rows, tables):
    past = with_past(rows, DIMENSIONS, max_gap=3)
    found = with_influencers(past, rows, tables["influence"], DIMENSIONS, window=5)
    assert len(found) > 1000
    for row in found.sample(40, random_state=0).to_dict("records"):
        pairs = tables["influence"].query("follower_id == @row['artist_id'] and influencer_id != follower_id")
        sources = rows[rows["artist_id"].isin(pairs["influencer_id"])]
        sources = sources[(sources["year"] < row["year"]) & (sources["year"] >= row["year"] - 5)]
        expected = np.average(sources["valence"], weights=sources["weight"])
        assert row["valence influencers"] == pytest.approx(expected, abs=1e-12)


def test_trend_and_genre_are_removed(rows):
    rest = without_trend(rows, DIMENSIONS)
    for by in ("year", "genre"):
        np.testing.assert_allclose(rest.groupby(by)[DIMENSIONS].mean(), 0, atol=1e-9)


def test_placebo_keeps_genre_and_follower(rows, tables):
    genre = rows.drop_duplicates("artist_id").set_index("artist_id")["genre"]
    pairs = tables["influence"]
    pairs = pairs[pairs["influencer_id"].isin(genre.index)]
    drawn = random_influencers(tables["influence"], rows, seed=0)

    def kinds(table: pd.DataFrame) -> set[tuple[int, str]]:
        return set(zip(table["follower_id"], table["influencer_id"].map(genre), strict=True))

    assert kinds(drawn) == kinds(pairs)
    same = drawn.merge(pairs, on=["influencer_id", "follower_id"])
    assert len(same) < 0.2 * len(pairs)
    assert drawn.equals(random_influencers(tables["influence"], rows, seed=0))


def test_correction_is_benjamini_hochberg_within_a_scope():
    p = np.array([0.001, 0.02, 0.03, 0.9, 0.04])
    frame = pd.DataFrame({"scope": ["music-year"] * 4 + ["within-artist"], "p_value": p})
    filler = ["cause", "effect", "lags", "coefficient", "std_error", "f", "df_num", "df_den", "n"]
    table = _corrected(frame.assign(**dict.fromkeys(filler, 1.0)), 0.05)
    np.testing.assert_allclose(table["p_adjusted"], [0.004, 0.04, 0.04, 0.9, 0.04])
    assert table["significant"].tolist() == [True, True, True, False, True]


def plant(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Add 0.6 of the valence of an artist's last active year to its energy."""
    careers = tables["careers"].query("n_songs >= 3").sort_values(["artist_id", "year"])
    last = careers.groupby("artist_id")["valence_mean"].shift(1).fillna(careers["valence_mean"].mean())
    return tables | {"careers": careers.assign(energy_mean=careers["energy_mean"] + 0.6 * last)}


@pytest.fixture(scope="module")
def planted(tables) -> CausalOutputs:
    return causal(**plant(tables), params=PARAMS)


def test_keeps_the_contracts(planted):
    for name, contract in get_type_hints(CausalOutputs, include_extras=True).items():
        check(getattr(planted, name), contract, name)


@pytest.mark.slow
def test_repeats_bit_for_bit(tables, planted):
    again = causal(**plant(tables), params=PARAMS)
    pd.testing.assert_frame_equal(again.causal_edges, planted.causal_edges, check_exact=True)
    pd.testing.assert_frame_equal(again.granger, planted.granger, check_exact=True)


def test_a_planted_effect_is_in_graph_and_tests(planted):
    edges = planted.causal_edges.set_index(["source", "target"])
    edge = edges.loc[("valence last", "energy now")]
    assert edge["kind"] == "directed"
    assert edge["confidence"] == 1.0
    assert edge["partial_correlation"] > 0.3
    within = planted.granger.query("scope == 'within-artist'")
    # Danceability is correlated with valence and so may represent it, but nothing else has an effect.
    assert set(within.loc[within["significant"], "effect"]) == {"energy"}
    first = within.loc[within["f"].idxmax()]
    assert (first["cause"], first["effect"]) == ("valence", "energy")
    assert first["coefficient"] > 0.3


def test_pc_and_boss_agree_on_a_planted_effect(planted):
    graph = planted.causal.graph
    assert 0 <= graph.boss.equal <= graph.boss.shared <= min(graph.edges, graph.boss.edges)
    assert graph.boss.shared > 0.7 * graph.edges
    assert graph.boss.cross_past >= 1


def test_agreement_counts_pairs_and_directions():
    names = ("a last", "b last", "b now")
    learnt = cpdag_of_dag(names, [("a last", "b now"), ("b last", "b now")])
    scored = cpdag_of_dag(names, [("a last", "b now"), ("a last", "b last")])
    assert _score_metrics(scored, learnt).model_dump() == {
        "edges": 2, "shared": 1, "equal": 0, "cross_past": 1,
    }  # fmt: skip
    assert _score_metrics(learnt, learnt).equal == 2


def test_no_edge_points_back_in_time(planted):
    order = {"before": 0, "last": 1, "now": 2}
    for edge in planted.causal_edges.query("kind == 'directed'").itertuples():
        assert order[edge.source.split()[-1]] <= order[edge.target.split()[-1]]


def test_too_few_years_of_music_is_an_error(tables):
    short = tables | {"years": tables["years"].query("year > 2005")}
    with pytest.raises(ValueError, match="15 unbroken years of source 'music'"):
        causal(**short, params=PARAMS)
