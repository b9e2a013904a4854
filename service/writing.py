"""Answers in sentences, generated from passages and checked against them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

from methods.serving.batching import QueueFullError
from releaf.answers import Answer, Citation
from releaf.knowledge import Knowledge
from releaf.sentences import written
from service.bundle import Settings
from service.telemetry import LOGGER, log_event

if TYPE_CHECKING:
    from releaf.generation import GeneratedAnswer, Generator

MAX_PENDING = 4
"""Largest number of answers that are being written or wait for it."""


@dataclass(frozen=True)
class WrittenAnswer:
    """A generated text and the passages that it was written from."""

    generated: GeneratedAnswer
    passages: tuple[Citation, ...]


class Writer:
    """The language model of a bundle, loaded by `warm_up` or with the first request.

    Parameters
    ----------
    bundle : Path
    settings : Settings
    cache : Path
        Folder in which a packaged model is stored in converted form.
    """

    def __init__(self, bundle: Path, settings: Settings, cache: Path):
        self._bundle, self._settings, self._cache = bundle, settings, cache
        self._generator: Generator | None = None
        self._generator_lock, self._pending_lock = Lock(), Lock()
        self._pending = 0

    def warm_up(self) -> Thread:
        """Load the model and write one word in a thread.

        The first user then does not wait. A failure is logged only: it does not concern the other answers,
        and the first request repeats it.
        """
        thread = Thread(target=self._warm_up, name="warm-up", daemon=True)
        thread.start()
        return thread

    def _warm_up(self) -> None:
        from releaf.prompt import Passage

        started = time.perf_counter()
        passage = Passage("Glass jars", "Glass jars go to the glass bin.", ("Anywhere: glass",))
        try:
            with self._generator_lock:
                self._load_generator().write([("glass jar", "Anywhere", [passage])], most_tokens=2)
        except Exception:
            LOGGER.exception("the language model cannot be loaded")
        else:
            log_event("writer ready", seconds=round(time.perf_counter() - started, 3))

    def write(
        self, knowledge: Knowledge, question: str, answer: Answer, *, temperature: float, seed: int
    ) -> WrittenAnswer:
        """Write an answer in sentences.

        Raises
        ------
        QueueFullError
            If `MAX_PENDING` answers are pending.
        """
        with self._pending_lock:
            if self._pending >= MAX_PENDING:
                raise QueueFullError(f"{MAX_PENDING} answers are being written; try again later")
            self._pending += 1
        try:
            with self._generator_lock:
                return self._write(knowledge, question, answer, temperature, seed)
        finally:
            with self._pending_lock:
                self._pending -= 1

    def _write(
        self, knowledge: Knowledge, question: str, answer: Answer, temperature: float, seed: int
    ) -> WrittenAnswer:
        from releaf.generation import GeneratedAnswer

        cited = select_passages(answer, self._settings.language.passages)
        generated = self._generate(knowledge, question, answer, cited, temperature, seed)
        bins = knowledge.models[answer.city].streams
        text, kept = written(generated.text if generated else None, answer, bins)
        if generated and kept:
            return WrittenAnswer(replace(generated, text=text), cited)
        return WrittenAnswer(GeneratedAnswer(text, (), refused=True, grounded=False), cited)

    def _generate(
        self,
        knowledge: Knowledge,
        question: str,
        answer: Answer,
        cited: tuple[Citation, ...],
        temperature: float,
        seed: int,
    ) -> GeneratedAnswer | None:
        """Return the text of the model, or None if it has nothing to write from."""
        from releaf.prompt import Passage

        if not answer.sure or answer.parts or not answer.reasons:
            return None
        streams = {card.card_id: card.streams for card in knowledge.cards}
        passages = [
            Passage(
                passage.title,
                passage.text,
                tuple(
                    f"{city}: {name}" for city, names in streams[passage.card_id].items() for name in names
                ),
            )
            for passage in cited
        ]
        generated = self._load_generator().answer(
            question,
            answer.city,
            passages,
            # The bin is known, even if the scores of the cards are close to one another.
            level="high",
            temperature=temperature,
            seed=seed,
            most_tokens=self._settings.language.most_tokens,
        )
        return None if generated.refused else generated

    def _load_generator(self) -> Generator:
        if self._generator is None:
            import torch

            from releaf.generation import load_generator

            language = self._settings.language
            self._generator = load_generator(
                language.model,
                self._bundle / "adapter.safetensors",
                cache=self._cache,
                dtype=getattr(torch, language.precision),
            )
        return self._generator


def select_passages(answer: Answer, count: int) -> tuple[Citation, ...]:
    """Return up to `count` passages to write from, at most one of each card.

    The passages that name the bin come first, then the other results of the search.
    """
    reasons = [passage for passage in answer.reasons if passage.part == "where"]
    by_card: dict[str, Citation] = {}
    for passage in [*reasons, *answer.sources]:
        by_card.setdefault(passage.card_id, passage)
    return tuple(by_card.values())[:count]
