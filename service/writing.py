"""Answers in sentences: written from the passages found, one at a time, and checked against them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from methods.serving.batching import Overloaded
from releaf.answers import Answer, Citation
from releaf.knowledge import Knowledge
from service.bundle import Settings

if TYPE_CHECKING:
    from methods.language.generation import Generated, Generator

MOST_WAITING = 4


class Writer:
    """The language model of a bundle, loaded when it is first asked for.

    Parameters
    ----------
    bundle : Path
    settings : Settings
    cache : Path
        Where a packaged model is kept in converted form.
    """

    def __init__(self, bundle: Path, settings: Settings, cache: Path):
        self._bundle, self._settings, self._cache = bundle, settings, cache
        self._generator: Generator | None = None
        self._lock, self._counting = Lock(), Lock()
        self._waiting = 0

    def write(
        self, known: Knowledge, question: str, found: Answer, *, temperature: float, seed: int
    ) -> tuple[Generated, tuple[Citation, ...]]:
        """What is written, and the passages that it was given.

        Raises
        ------
        Overloaded
            If as many wait as may.
        """
        with self._counting:
            if self._waiting >= MOST_WAITING:
                raise Overloaded(f"{MOST_WAITING} answers are being written already; ask again later")
            self._waiting += 1
        try:
            with self._lock:
                return self._write(known, question, found, temperature, seed)
        finally:
            with self._counting:
                self._waiting -= 1

    def _write(
        self, known: Knowledge, question: str, found: Answer, temperature: float, seed: int
    ) -> tuple[Generated, tuple[Citation, ...]]:
        from methods.language.prompt import Passage

        how = self._settings.language
        given = passages_of(found, how["passages"])
        streams = {card.card_id: card.streams for card in known.cards}
        passages = [
            Passage(
                cited.title,
                cited.text,
                tuple(f"{city}: {name}" for city, names in streams[cited.card_id].items() for name in names),
            )
            for cited in given
        ]
        # A thing on the city's list is certain, however close the cards found are to one another.
        level = "high" if found.listed and found.reasons else found.level
        written = self._loaded().answer(
            question, found.city, passages,
            level=level, temperature=temperature, seed=seed, most_tokens=how["most_tokens"],
        )  # fmt: skip
        if written.refused and found.listed:
            # The model found no words, but the city's list has.
            known_text = (
                f"{found.city}'s list has {found.listed} under {found.stream}; more could not be said."
            )
            written = replace(written, text=known_text)
        return written, given

    def _loaded(self) -> Generator:
        if self._generator is None:
            import torch

            from methods.language.generation import load_generator

            how = self._settings.language
            self._generator = load_generator(
                how["model"],
                self._bundle / "adapter.safetensors",
                cache=self._cache,
                dtype=getattr(torch, how["precision"]),
            )
        return self._generator


def passages_of(found: Answer, most: int) -> tuple[Citation, ...]:
    """What a text is written from: the reason for the bin first, then what else was found, each card once."""
    first = [cited for cited in found.reasons if cited.part == "where"]
    chosen: dict[str, Citation] = {}
    for cited in [*first, *found.sources]:
        chosen.setdefault(cited.card_id, cited)
    return tuple(chosen.values())[:most]
