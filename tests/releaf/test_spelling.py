"""One spelling of a name on display."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from releaf.spelling import key, proper_nouns, sentence_case, spellings

WORDS = st.sampled_from(
    ["Plastic", "plastic", "BBQ", "Bags", "bag", "9V", "iPhone", "TV", "(empty)", "sun", "glasses"]
)
NAMES = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)


@given(st.lists(NAMES, min_size=1))
def test_variants_of_a_name_have_one_spelling_which_is_one_of_them(names: list[str]):
    shown = spellings(names)
    assert set(shown) == {key(name) for name in names}
    for folded, spelling in shown.items():
        assert key(spelling) == folded
        assert spelling in {sentence_case(name) for name in names}


@given(NAMES)
def test_the_case_is_stable_and_changes_no_letter(name: str):
    shown = sentence_case(name)
    assert sentence_case(shown) == shown
    assert shown.casefold() == name.casefold()


def test_the_commonest_variant_wins_whatever_the_order():
    names = ["Sun Glasses", "sunglasses", "Sunglasses"]
    assert set(spellings(names).values()) == set(spellings(names[::-1]).values()) == {"Sunglasses"}


def test_abbreviations_trademarks_and_proper_nouns_keep_their_capitals():
    proper = proper_nouns(["Christmas tree", "tetra of fish", "plastic bag", "Plastic bag"])
    assert proper == {"Christmas"}
    shown = [
        sentence_case(name, proper) for name in ("LED Light Bulbs", "iPhone", "Old Christmas Tree", "9V")
    ]
    assert shown == ["LED light bulbs", "iPhone", "Old Christmas tree", "9V"]


def test_words_that_spell_out_an_abbreviation_are_no_proper_nouns():
    names = ["Video Cassette Recorder", "VCR", "Tim Hortons cup", "T"]
    assert proper_nouns(names) == {"VCR", "Tim", "Hortons", "T"}
    assert sentence_case("Video Cassette Recorder", proper_nouns(names)) == "Video cassette recorder"


def test_full_width_brackets_and_spaces_become_plain():
    assert sentence_case("Printer（toner-type ） is  big") == "Printer (toner-type ) is big"
