"""Answer a whole question, for the API, its sentences and the registered model.

This is the one place that decides. A question is divided into items, each item is answered
(`releaf.answers`), and the answers are combined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from releaf.answers import Answer, answer
from releaf.cautions import Evidence, warning
from releaf.hazards import hazard_of
from releaf.knowledge import Knowledge
from releaf.mixture import Rules
from releaf.questions import items_of

Encode = Callable[[list[str]], NDArray[np.float64]]
"""Maps texts to unit vectors of shape (texts, d)."""


def items_in(known: Knowledge, city: str, question: str) -> tuple[str, ...]:
    """Return the items that a question asks about in a city, at least one."""
    city_list = known.lists[city]
    return items_of(question, lambda text: city_list.find(text, strict=True) is not None)


def answer_question(known: Knowledge, city: str, question: str, encode: Encode, rules: Rules) -> Answer:
    """Answer a question about one or several items.

    Raises
    ------
    ValueError
        If the city is unknown.
    """
    known.require(city)
    items = items_in(known, city, question)
    vectors = encode(list(items))
    return combine(
        question,
        [answer(known, city, item, vector, rules) for item, vector in zip(items, vectors, strict=True)],
    )


def combine(question: str, answers: Sequence[Answer]) -> Answer:
    """Return one answer from those for the items of a question.

    The answer to a single item stays as it is. A hazard that only the other words of the question name gives
    a caution too.
    """
    whole = answers[0] if len(answers) == 1 else _join(answers)
    rest = question
    for part in answers:
        rest = rest.replace(part.item, " ", 1)
    if whole.caution is None and (hazard := hazard_of(rest)):
        evidence = Evidence(hazard, whole.sure, (), (), None)
        whole = replace(whole, caution=warning(whole.city, whole.shares, evidence))
    return whole


def _join(answers: Sequence[Answer]) -> Answer:
    stream = " + ".join(dict.fromkeys(part.stream for part in answers))
    probability = min(part.probability for part in answers)
    cautions = [f"{part.item}: {part.caution}" for part in answers if part.caution]
    return replace(
        answers[0],
        stream=stream,
        probability=probability,
        shares={stream: probability},
        listed=None,
        level="low" if any(part.level == "low" for part in answers) else answers[0].level,
        reasons=tuple(dict.fromkeys(passage for part in answers for passage in part.reasons)),
        alike=tuple(dict.fromkeys(name for part in answers for name in part.alike)),
        strange=any(part.strange for part in answers),
        caution=" ".join(cautions) or None,
        item=", ".join(part.item for part in answers),
        sure=all(part.sure for part in answers),
        because=tuple(dict.fromkeys(name for part in answers for name in part.because)),
        parts=tuple(answers),
    )
