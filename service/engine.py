"""The inference engine: batched models, a cache of answers and a log of ratings."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from methods.serving.batching import Batcher
from methods.serving.cache import Cache
from methods.vision.pictures import decode
from releaf.answers import Answer
from releaf.asking import combine
from releaf.photographs import Observation
from service.assistant import Assistant, Recognition
from service.ratings import LogError, RatingLog
from service.telemetry import log_event
from service.writing import Writer, WrittenAnswer

Result = TypeVar("Result")

LOG_TIMEOUT_S = 1.0
"""Seconds that an answer waits for its log."""


@dataclass(frozen=True)
class EngineLimits:
    """Sizes of the batches, queues and caches of an engine.

    Attributes
    ----------
    max_text_batch, max_photograph_batch : int
        Largest batch of each encoder.
    max_wait_s : float
        Seconds to wait for a batch to fill.
    max_queue_size : int
        Items that may wait for each encoder; further items are rejected.
    max_decode_queue_size : int
        Photographs that may wait to be decoded; further photographs are rejected.
    cached_answers : int
        Largest number of answers in the cache.
    cache_ttl_s : float
        Seconds until a cached answer expires.
    """

    max_text_batch: int = 32
    max_photograph_batch: int = 8
    max_wait_s: float = 0.002
    max_queue_size: int = 128
    max_decode_queue_size: int = 64
    cached_answers: int = 4096
    cache_ttl_s: float = 3600.0


@dataclass(frozen=True)
class CachedAnswer:
    """An answer, and whether it was in the cache."""

    answer: Answer
    hit: bool


@dataclass
class InferenceEngine:
    """An assistant behind batchers and a cache; `start_engine` creates one."""

    assistant: Assistant
    ratings: RatingLog
    writer: Writer
    texts: Batcher[str, NDArray[np.float64]]
    decoder: Batcher[bytes, NDArray[np.uint8]]
    photographs: Batcher[NDArray[np.uint8], Observation]
    cache: Cache[Answer]
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "engine"))
    log_thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "log"))

    async def answer_text(self, question: str, city: str) -> CachedAnswer:
        """Answer a question, from the cache if possible.

        Raises
        ------
        QueueFullError
            If too many questions wait for the encoder.
        """
        items = self.assistant.items_in(question, city)
        found = await asyncio.gather(*(self._answer_item(item, city) for item in items))
        answers = [cached.answer for cached in found]
        return CachedAnswer(combine(question, answers), hit=all(cached.hit for cached in found))

    async def _answer_item(self, item: str, city: str) -> CachedAnswer:
        key = (city, item)
        cached = self.cache.get(key)
        if cached is not None:
            return CachedAnswer(cached, hit=True)
        vector = await self.texts.submit(item)
        answer = await self._run_in_thread(lambda: self.assistant.answer_text(item, city, vector))
        self.cache.put(key, answer)
        return CachedAnswer(answer, hit=False)

    async def recognize(self, content: bytes, city: str) -> Recognition:
        """Classify the material of a photograph.

        Raises
        ------
        PictureError
            If the bytes are not a supported photograph.
        QueueFullError
            If too many photographs wait for the decoder or the encoder.
        """
        photograph = await self.decoder.submit(content)
        return self.assistant.recognize(await self.photographs.submit(photograph), city)

    async def answer_photograph(self, recognition: Recognition, city: str) -> Answer:
        """Answer a photograph without text."""
        vector = await self.texts.submit(recognition.item)
        return await self._run_in_thread(lambda: self.assistant.answer_photograph(recognition, city, vector))

    async def write(self, question: str, answer: Answer, temperature: float, seed: int) -> WrittenAnswer:
        """Write an answer in sentences.

        Raises
        ------
        QueueFullError
            If too many answers are being written.
        """
        knowledge = self.assistant.knowledge
        return await asyncio.to_thread(
            lambda: self.writer.write(knowledge, question, answer, temperature=temperature, seed=seed)
        )

    async def record_answer(self, question: str, answer: Answer, *, from_text: bool) -> str | None:
        """Log an answer and return its identifier, or None if that fails.

        The answer does not wait for a log that is locked, full or slow. `from_text` is false for the answer
        to a photograph without text.
        """
        answer_id, model = uuid.uuid4().hex, self.assistant.version
        try:
            await self._run_in_log(
                lambda: self.ratings.record_answer(answer_id, question, answer, model, from_text=from_text)
            )
        except LogError as error:
            log_event("answer not logged", error=str(error))
            return None
        return answer_id

    async def rate(self, answer_id: str, rating: int) -> bool:
        """Log a rating; return False if the log does not contain the answer.

        Raises
        ------
        LogError
            If the log cannot be written in time.
        """
        return await self._run_in_log(lambda: self.ratings.rate(answer_id, rating))

    async def _run_in_log(self, function: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self.log_thread, function), LOG_TIMEOUT_S)
        except TimeoutError:
            raise LogError(f"no reply within {LOG_TIMEOUT_S:g} s") from None

    async def _run_in_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.threads, function)

    def close(self) -> None:
        """Finish the pending requests, then stop the threads and close the log."""
        self.texts.stop()
        self.decoder.stop()
        self.photographs.stop()
        self.threads.shutdown()
        self.log_thread.shutdown()
        self.ratings.close()


def start_engine(
    assistant: Assistant, ratings: RatingLog, writer: Writer, limits: EngineLimits
) -> InferenceEngine:
    """Warm up the models of an assistant and start its batchers."""
    # The first call of a model is slow, so it is not left to the first user.
    assistant.encode(["glass jar"])
    assistant.observe([np.zeros((64, 64, 3), dtype=np.uint8)])
    if assistant.rules.reranker:
        assistant.rules.reranker.score_pairs([("glass jar", "glass jar")])
    return InferenceEngine(
        assistant,
        ratings,
        writer,
        texts=Batcher(
            lambda texts: list(assistant.encode(texts)),
            max_batch_size=limits.max_text_batch,
            max_wait_s=limits.max_wait_s,
            max_queue_size=limits.max_queue_size,
        ),
        decoder=Batcher(
            lambda contents: [decode(content) for content in contents],
            max_batch_size=1,
            max_wait_s=0.0,
            max_queue_size=limits.max_decode_queue_size,
        ),
        photographs=Batcher(
            assistant.observe,
            max_batch_size=limits.max_photograph_batch,
            max_wait_s=limits.max_wait_s,
            max_queue_size=limits.max_queue_size,
        ),
        cache=Cache(limits.cached_answers, limits.cache_ttl_s),
    )
