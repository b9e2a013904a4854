"""Sentences never name another bin than the answer."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from releaf.answers import NOT_SURE, Answer
from releaf.asking import combine
from releaf.grounding import named_bins
from releaf.sentences import agrees, say, written

BINS = ("Blue Bin", "Garbage", "Green Bin", "HHW", "Metal Items")
WORDS = st.sampled_from([*BINS, "blue bin", "put", "it", "not", "into", "the", "jar", "[1]", ".", "GARBAGE"])


def an_answer(item: str, stream: str, *, sure: bool, listed: bool, caution: str | None = None) -> Answer:
    return Answer(
        city="Toronto",
        stream=stream,
        probability=1.0,
        shares={stream: 1.0},
        listed=item if listed else None,
        confidence=0.5,
        level="high",
        reasons=(),
        alike=(),
        ideas=(),
        sources=(),
        caution=caution,
        item=item,
        sure=sure,
        because=((item, stream),) if listed else (),
    )


ANSWERS = st.builds(
    an_answer,
    st.sampled_from(["jar", "old lamp", "yoghurt"]),
    st.sampled_from(BINS),
    sure=st.booleans(),
    listed=st.booleans(),
    caution=st.sampled_from([None, "May be hazardous."]),
)


@given(answer=ANSWERS, words=st.lists(WORDS, max_size=12))
def test_a_text_never_names_another_bin(answer: Answer, words: list[str]) -> None:
    text, kept = written(" ".join(words) or None, answer, BINS)
    expected = () if answer.bin == NOT_SURE else (answer.stream,)
    assert named_bins(text, BINS) == expected
    assert answer.caution is None or answer.caution in text
    assert kept == (agrees(" ".join(words), answer, BINS) if words else False)


@given(parts=st.lists(ANSWERS, min_size=2, max_size=4))
def test_a_question_about_several_items_names_the_bins_of_all(parts: list[Answer]) -> None:
    whole = combine(" and ".join(part.item for part in parts), parts)
    text, kept = written("Garbage.", whole, BINS)
    assert not kept
    assert set(named_bins(text, BINS)) == {part.stream for part in parts if part.sure}
    assert whole.sure == all(part.sure for part in parts)
    assert set(whole.bin.split(" + ")) == {part.bin for part in parts}
    assert all(part.caution in (whole.caution or "") for part in parts if part.caution)


def test_a_hazard_outside_the_item_is_said() -> None:
    jar = an_answer("jar", "Blue Bin", sure=True, listed=True)
    assert combine("a jar", [jar]) == jar
    assert "hazardous" in str(combine("a jar soaked in gasoline", [jar]).caution)


def test_the_sentence_of_a_listed_item_quotes_the_list() -> None:
    assert say(an_answer("jar", "Blue Bin", sure=True, listed=True)) == "Toronto lists jar under Blue Bin."
    other = replace(an_answer("pot", "Blue Bin", sure=True, listed=True), listed="yogurt tub")
    assert say(other) == "Pot: Toronto lists yogurt tub under Blue Bin."
