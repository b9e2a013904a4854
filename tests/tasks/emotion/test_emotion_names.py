"""Folding names, and telling a collection by its name."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.emotion.catalogue import names
from tasks.emotion.catalogue.names import collection_kind, fold, fold_album, is_reissue


def test_examples_of_the_docstrings() -> None:
    results = doctest.testmod(names)
    assert results.attempted >= 4
    assert results.failed == 0


@pytest.mark.parametrize(
    "spellings",
    [
        ("The Beatles", "the beatles", "BEATLES", "Beatles, The"),
        ("Beyoncé", "BEYONCE", "Beyonce\u0301", "Beyoncé feat. JAY-Z", "Beyoncé (ft. Jay Z)"),
        ("Ke$ha", "Kesha"),
        ("Panic! at the Disco", "Panic! At The Disco"),
        ("Hootie & The Blowfish", "Hootie and the Blowfish"),
        ("AC/DC", "AC-DC", "ACDC"),
        ("Björk", "Bjork"),
        ("Mø", "MO"),
        ("\u200bbrand new eyes", "Brand New Eyes "),
    ],
)
def test_spellings_of_one_name_agree(spellings: tuple[str, ...]) -> None:
    assert len({fold(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("$NOT", "Snot"), ("!!!", "???"), ("Muse", "Mouse"), ("÷", "+"), ("U2", "U1")],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(st.characters(codec="latin-1"), min_size=1, max_size=20))
def test_case_does_not_matter_and_nothing_folds_to_nothing(name: str) -> None:
    folded = fold(name)
    assert folded or not name.strip()
    if name.isascii():
        assert fold(name.upper()) == fold(name.lower())


@pytest.mark.parametrize(
    "edition",
    [
        "Rumours (Deluxe Edition)",
        "Rumours [2013 Remaster]",
        "Rumours - Remastered 2004",
        "Rumours (Super Deluxe)",
        "Rumours: Deluxe Edition",
        "Rumours (Bonus Track Version)",
        "Rumours (35th Anniversary Edition)",
    ],
)
def test_editions_fold_to_the_album(edition: str) -> None:
    assert fold_album(edition) == fold_album("Rumours")


@pytest.mark.parametrize(
    "another", ["Rumours (Live)", "Rumours (Taylor's Version)", "Rumours II", "Rumours (Remixes)"]
)
def test_another_album_does_not(another: str) -> None:
    assert fold_album(another) != fold_album("Rumours")


@pytest.mark.parametrize(
    ("album", "kind"),
    [
        ("Unreleased Songs", "unreleased"),
        ("Californication (B-Sides + Bonus Tracks)", "unreleased"),
        ("MTV Unplugged", "live"),
        ("Live/1975-85", "live"),
        ("London Calling: Live in Hyde Park", "live"),
        ("Whitney: The Greatest Hits", "best of"),
        ("The Best of 1980-1990", "best of"),
        ("Spotify Singles: Paul McCartney Box Set", "box set"),
        ("Daughtry (Deluxe Edition)", "deluxe"),
        ("S&M (Remixes)", "remixes"),
    ],
)
def test_collections_are_recognised_by_name(album: str, kind: str) -> None:
    assert collection_kind(album) == kind


@pytest.mark.parametrize(
    "album",
    [
        "Live Like You Were Dying",
        "LIVE.LOVE.A$AP",
        "What We Live For",
        "Learn To Live",
        "Music Box",
        "Love Deluxe",
        "Magical Mystery Tour",
        "1989",
        "The S. Carter Collection",
    ],
)
def test_albums_are_not_collections(album: str) -> None:
    assert collection_kind(album) == ""


def test_reissues_are_recognised_by_name() -> None:
    assert is_reissue("Rumours (2013 Remaster)")
    assert not is_reissue("Rumours")
