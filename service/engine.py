"""Where requests are answered: the models behind their batchers, the cache, the log of thumbs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.serving.batching import Batcher
from methods.serving.cache import Cache
from methods.vision.pictures import decode
from releaf.answers import Answer
from releaf.names import asked_for
from service.assistant import Assistant, Seen
from service.ratings import ThumbLog
from service.writing import Writer


@dataclass(frozen=True)
class Bounds:
    """How much a desk takes on.

    Attributes
    ----------
    texts, pictures : int
        Largest batch of each encoder.
    wait_s : float
        That a lone item waits for others.
    waiting : int
        Items that may wait for each encoder; more are refused.
    undecoded : int
        Photographs that may wait to be decoded; more are refused.
    kept : int
        Answers in the cache.
    kept_s : float
        Seconds that they stay.
    """

    texts: int = 32
    pictures: int = 8
    wait_s: float = 0.002
    waiting: int = 128
    undecoded: int = 64
    kept: int = 4096
    kept_s: float = 3600.0


@dataclass
class Desk:
    """An assistant, open for questions."""

    assistant: Assistant
    thumbs: ThumbLog
    writer: Writer
    texts: Batcher[str, NDArray[np.float64]]
    decoder: Batcher[bytes, NDArray[np.uint8]]
    pictures: Batcher[NDArray[np.uint8], dict[str, float]]
    cache: Cache[Answer]
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "desk"))

    async def ask(self, question: str, city: str) -> tuple[Answer, bool]:
        """Answer a question, and whether the answer was known already."""
        thing = asked_for(question)
        key = (city, thing)
        known = self.cache.get(key)
        if known is not None:
            return known, True
        vector = await self.texts.submit(thing)
        found: Answer = await self._in_thread(lambda: self.assistant.ask(thing, city, vector))
        self.cache.put(key, found)
        return found, False

    async def look(self, content: bytes, city: str) -> Seen:
        """What a photograph shows.

        Raises
        ------
        PictureError
            If the bytes are none that can be used.
        Overloaded
            If as many as may wait are waiting to be decoded.
        """
        picture = await self.decoder.submit(content)
        return self.assistant.see(await self.pictures.submit(picture), city)

    async def show(self, seen: Seen, city: str) -> Answer:
        """Answer by a photograph alone."""
        vector = await self.texts.submit(seen.item)
        return await self._in_thread(lambda: self.assistant.show(seen, city, vector))

    async def write(self, question: str, found: Answer, temperature: float, seed: int) -> Any:
        """An answer in sentences, and the passages that it was written from."""
        known = self.assistant.known
        return await asyncio.to_thread(
            lambda: self.writer.write(known, question, found, temperature=temperature, seed=seed)
        )

    async def keep(self, question: str, found: Answer, *, by_words: bool) -> str:
        """Log an answer, to a question in words or to a photograph alone; its new id."""
        answer_id = uuid.uuid4().hex
        await self._in_thread(
            lambda: self.thumbs.answered(
                answer_id, question, found, self.assistant.version, by_words=by_words
            )
        )
        return answer_id

    async def judge(self, answer_id: str, thumb: int) -> bool:
        """Log a thumb; False if there is no such answer."""
        return await self._in_thread(lambda: self.thumbs.judged(answer_id, thumb))

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def close(self) -> None:
        """Answer what waits, then stop."""
        self.texts.stop()
        self.decoder.stop()
        self.pictures.stop()
        self.threads.shutdown()
        self.thumbs.close()


def open_desk(assistant: Assistant, thumbs: ThumbLog, writer: Writer, bounds: Bounds) -> Desk:
    """Start the batchers of an assistant, whose models have seen one item each: the first is slow."""
    assistant.encode(["glass jar"])
    assistant.name_materials([np.zeros((64, 64, 3), dtype=np.uint8)])
    if assistant.rules.reranker:
        assistant.rules.reranker.score_pairs([("glass jar", "glass jar")])
    return Desk(
        assistant,
        thumbs,
        writer,
        Batcher(
            lambda texts: list(assistant.encode(texts)),
            most=bounds.texts,
            wait_s=bounds.wait_s,
            waiting=bounds.waiting,
        ),
        Batcher(_decode, most=1, wait_s=0.0, waiting=bounds.undecoded),
        Batcher(assistant.name_materials, most=bounds.pictures, wait_s=bounds.wait_s, waiting=bounds.waiting),
        Cache(bounds.kept, bounds.kept_s),
    )


def _decode(contents: list[bytes]) -> list[NDArray[np.uint8]]:
    return [decode(content) for content in contents]
