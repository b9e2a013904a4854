"""The picker holds what the stages wrote, and a browser shows it for each artist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import DESK, PHONE, chromium
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from methods.temporal.baselines import last_value, unit_mean
from methods.temporal.panel import Panel
from tasks.emotion.contracts.tables import AUDIO
from tasks.emotion.picker.data import Catalogue, differences, mean_sound, nearest, picker_data
from tasks.emotion.picker.element import picker, script
from tasks.emotion.sections.figures import genres as genre_chart
from tasks.emotion.sections.figures import influence_map
from tasks.emotion.sections.genres import LIST as GENRE_LIST
from tasks.emotion.sections.influence_map import LIST as INFLUENCE_LIST
from tasks.report.blocks import Figure, Opening, Picture
from tasks.report.page import report_page

EVIL = "</script><img src=x onerror=alert(1)>"
NAMES = ("Björk", EVIL, "Short Career", "The Beatles", "Weezer", "Zappa")
DIMENSIONS = ("valence", "energy", "danceability", "acousticness")
FIRST_TEST = 2005


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Six artists of one genre; the third has one year and no results."""
    rng = np.random.default_rng(0)
    ids = np.arange(11, 17)
    artists = pd.DataFrame(
        {"artist_id": ids, "artist": NAMES, "genre": "Pop/Rock", "active_start": 1990.0,
         "influences": 1, "influenced_by": 1, "ambiguous": False, "same_as": ids}
    )  # fmt: skip
    years = [(i, year) for i in ids for year in ([1999] if i == 13 else range(1996, 2010))]
    careers = pd.DataFrame(years, columns=["artist_id", "year"])
    careers["n_songs"] = rng.integers(1, 12, len(careers))
    for name in AUDIO:
        careers[f"{name}_mean"] = rng.random(len(careers)).round(3)
        careers[f"{name}_sd"] = 0.1
    careers = careers.assign(thin=careers["n_songs"] < 3, reissue=careers["year"] == 2009)
    known = careers[careers["artist_id"] != 13]
    states = known[["artist_id", "year"]].assign(
        **{f"{name}_state": 0.5 for name in DIMENSIONS}, **{f"{name}_state_sd": 0.1 for name in DIMENSIONS}
    )
    changes = known[["artist_id", "year"]].assign(series="name", probability=0.0, is_map=False)
    changes["valence_regime"] = 0.5
    cut = (changes["artist_id"] == 14) & (changes["year"] == 2003)
    changes.loc[cut, ["probability", "is_map"]] = 0.75, True
    tests = pd.DataFrame(
        {"series": "name", "artist_id": [11.0, 14.0], "probability": [0.1, 0.9], "p_value": [0.5, 0.001],
         "adjusted": [0.6, 0.02], "changed": [False, True]}
    )  # fmt: skip
    forecasts = pd.concat(
        known[known.groupby("artist_id").cumcount() >= 2].assign(
            task="audio", model="statewright", dimension=name, time=lambda rows: rows["year"].astype(float),
            truth=lambda rows, name=name: rows[f"{name}_mean"], sd=0.1,
            split=lambda rows: np.where(rows["year"] >= FIRST_TEST, "test", "train"),
            forecast=lambda rows: rng.random(len(rows)).round(3),
        )
        for name in DIMENSIONS
    )  # fmt: skip
    music = pd.DataFrame({"source": "music", "year": range(1990, 2011), "n_songs": 100})
    music = music.assign(**{f"{name}_mean": 0.5 for name in DIMENSIONS})
    ties = pd.DataFrame({"influencer_id": [14, 14], "follower_id": [11, 12]})
    return Catalogue(artists, careers, music, ties, states, changes, tests, forecasts.reset_index(drop=True))


@given(st.lists(st.lists(st.none() | st.integers(-9999, 9999), max_size=6), max_size=6))
def test_sums_of_the_differences_are_the_values(parts: list[list[int | None]]) -> None:
    column = [value for part in parts for value in part]
    coded = differences({"counts": [len(part) for part in parts], "value": column})
    assert coded["coded"] == ["value"]
    steps = iter(coded["value"])
    for part in parts:
        own = [next(steps) for _ in part]
        sums = np.cumsum([step for step in own if step is not None]).tolist()
        assert sums == [value for value in part if value is not None]
        assert [step is None for step in own] == [value is None for value in part]


def test_neighbours_are_those_of_the_distance_of_scipy() -> None:
    sound = pd.DataFrame(np.random.default_rng(1).normal(size=(30, 4)) * [1, 5, 0.1, 2])
    rows, distances = nearest(sound, 5)
    expected = cdist(sound, sound, "seuclidean", V=sound.var(ddof=0)) / np.sqrt(4)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_array_equal(rows, np.argsort(expected, axis=1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :5], rtol=1e-9)


def test_the_mean_sound_weighs_songs_and_leaves_reissues_out(catalogue: Catalogue) -> None:
    rows = catalogue.careers[(catalogue.careers["artist_id"] == 14) & ~catalogue.careers["reissue"]]
    expected = np.average(rows["tempo_mean"], weights=rows["n_songs"])
    assert mean_sound(catalogue.careers).loc[14, "tempo"] == pytest.approx(expected, rel=1e-12)


def test_the_data_are_those_of_the_stages(catalogue: Catalogue) -> None:
    data = picker_data(catalogue)
    artists = data["artists"]
    assert artists["name"] == [EVIL, "Björk", "Short Career", "The Beatles", "Weezer", "Zappa"]
    assert artists["named"][:2] == [[3], [3]] and sum(map(len, artists["named"])) == 2
    assert artists["any"] == [None, 10, None, 90, None, None]
    assert data["changes"]["words"][3] == ["2003 (75%, valence +0.00)"] and data["changes"]["cuts"][3] == [
        2003
    ]
    assert data["states"]["counts"][2] == data["forecasts"]["counts"][2] == 0
    at = sum(data["years"]["counts"][:3])
    own = catalogue.careers[catalogue.careers["artist_id"] == 14]
    steps = data["years"]["energy"][at : at + len(own)]
    np.testing.assert_allclose(np.cumsum(steps) / 1000, own["energy_mean"], atol=5e-4)


def test_genres_are_means_over_artists(catalogue: Catalogue) -> None:
    table = genre_chart.by_genre_and_decade(catalogue.artists, catalogue.careers)
    cell = table[(table["genre"] == "Pop/Rock") & (table["decade"] == 1990) & (table["measure"] == "energy")]
    rows = catalogue.careers[catalogue.careers["year"] < 2000]
    means = [np.average(own["energy_mean"], weights=own["n_songs"]) for _, own in rows.groupby("artist_id")]
    half = 1.96 * np.std(means, ddof=1) / np.sqrt(6)
    assert cell[["value", "low", "artists", "songs"]].to_numpy(float).ravel() == pytest.approx(
        [np.mean(means), np.mean(means) - half, 6, rows["n_songs"].sum()], rel=1e-12
    )


def expected_errors(catalogue: Catalogue, artist: int) -> dict[str, str]:
    """Return the errors of three forecasts on test years, by the panel."""
    rows = catalogue.careers[catalogue.careers["artist_id"] == artist].sort_values("year")
    zeros = np.zeros(len(rows), np.int64)
    year = rows["year"].to_numpy(float)
    panel = Panel(
        unit=zeros,
        group=zeros,
        block=year,
        time=year,
        count=rows["n_songs"].to_numpy(float),
        mean=rows[["valence_mean"]].to_numpy(float),
        sd=rows[["valence_sd"]].to_numpy(float),
    )
    ours = catalogue.forecasts[catalogue.forecasts["dimension"] == "valence"]
    ours = ours[(ours["artist_id"] == artist) & (ours["split"] == "test")].sort_values("time")
    test = year >= FIRST_TEST
    estimates = {
        "error": ours["forecast"].to_numpy(float),
        "mean so far": unit_mean(panel)[test, 0],
        "last value": last_value(panel)[test, 0],
    }
    truth = panel.mean[test, 0]
    return {name: f"{np.sqrt(np.mean((value - truth) ** 2)):.3f}" for name, value in estimates.items()}


def page(catalogue: Catalogue) -> str:
    flows = pd.DataFrame(
        {"influencer_genre": "Pop/Rock", "influencer_decade": [1980.0, 1990.0], "follower_genre": "Pop/Rock",
         "follower_decade": 1990.0, "ties": [3, 4]}
    )  # fmt: skip
    table = genre_chart.by_genre_and_decade(catalogue.artists, catalogue.careers)
    pictures = (
        genre_chart.chart(table, "Genres by decade.").html() + GENRE_LIST,
        influence_map.chart(flows, "Ties by decade.").html() + INFLUENCE_LIST,
        picker(picker_data(catalogue), ["The Beatles"], FIRST_TEST),
    )
    first, second, third = (Figure((Picture(picture),), "A caption.") for picture in pictures)
    opening = Opening("Title", ("One.", "Two.", "Three."), (first, second, third))
    return report_page(opening, (), "Foot.", script())


def test_names_never_become_elements(catalogue: Catalogue) -> None:
    html = page(catalogue)
    assert EVIL not in html and "<img src=x" not in html
    data = re.search(r'id="artist-data">(.*?)</script>', html, re.DOTALL)
    assert data is not None and json.loads(data[1])["artists"]["name"][0] == EVIL


@pytest.mark.slow
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_browser_shows_each_artist(tmp_path: Path, catalogue: Catalogue, width: int) -> None:
    from playwright.sync_api import expect

    path = tmp_path / "page.html"
    path.write_text(page(catalogue), encoding="utf-8")
    faults: list[str] = []
    with chromium() as browser:
        tab: Any = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(f"{path.as_uri()}#artist=The%20Beatles")

        def part(name: str) -> Any:
            return tab.locator(f'[data-part="{name}"]')

        expect(part("title")).to_have_text("The Beatles")
        errors = expected_errors(catalogue, 14)
        for text in (f"error {errors['error']},", f"so far {errors['mean so far']},",
                     f"last value {errors['last value']};", "5 test years"):  # fmt: skip
            expect(part("forecast-note")).to_contain_text(text)
        expect(part("changes-note")).to_contain_text("Most probable: 2003 (75%, valence +0.00).")
        for key in ("career", "changes", "forecast", "genres", "influence"):
            chart = tab.locator(f"#chart-{key}")
            chart.scroll_into_view_if_needed()
            tab.locator(f"#chart-{key}.drawn").wait_for()
            marks = chart.locator("svg .mark-symbol path, svg .mark-rule line, svg .mark-rect path")
            assert marks.count() > 1, f"{key} is not empty"
            assert chart.bounding_box()["width"] <= width
        assert tab.evaluate("document.documentElement.scrollWidth") <= width

        tab.fill("#artist-name", "bjork")  # without the mark on the o
        tab.keyboard.press("Enter")
        expect(part("title")).to_have_text("Björk")
        assert tab.url.endswith("#artist=Bj%C3%B6rk")
        part("nearest").locator("a").first.click()
        assert tab.url != f"{path.as_uri()}#artist=Bj%C3%B6rk"
        tab.fill("#artist-name", "nobody")
        tab.keyboard.press("Enter")
        expect(part("message")).to_contain_text("No artist of this data matches “nobody”")
        tab.fill("#artist-name", "img src")
        tab.keyboard.press("Enter")
        expect(part("title")).to_have_text(EVIL)
        tab.fill("#artist-name", "short")
        tab.keyboard.press("Enter")
        expect(part("forecast-note")).to_contain_text("No forecast: it needs two earlier years")
        expect(part("changes-note")).to_contain_text("Too few years")
        expect(part("career-note")).to_contain_text("no estimated course")
        expect(tab.locator("#chart-forecast")).to_be_hidden()
        tab.locator("#chart-genres .role-mark.mark-text text").first.click()
        expect(tab.locator("#genre-note")).to_contain_text("6 artists")
        assert tab.locator("#genre-artists a").count() == 6
    assert faults == []
