"""Dynamic batching: callers ask for one item each, a function answers several at once.

A batch starts when `most` items wait, or when the oldest has waited `wait_s` seconds. While one batch
is being computed the next gathers, so that under load batches fill by themselves and `wait_s` costs
nothing; it only bounds what a lone caller pays for the hope of company.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Overloaded(RuntimeError):  # noqa: N818 -- a state to be told of, no fault
    """As many items wait as may; ask again later."""


class Batcher(Generic[Item, Answer]):
    """Gathers items of many callers for `function`, which runs in one thread of its own.

    Parameters
    ----------
    function : callable
        A list of 1 to `most` items to as many answers, in their order. What it raises reaches every
        caller of that batch, and the next batch is tried as if nothing had been.
    most : int
        Items of a batch, 1 or more.
    wait_s : float
        Seconds that an item may wait for others, 0 or more.
    waiting : int
        Items that may wait; one more is refused.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Answer]],
        *,
        most: int,
        wait_s: float,
        waiting: int = 1024,
    ):
        if most < 1 or waiting < 1 or not wait_s >= 0:
            raise ValueError(
                f"most {most}, waiting {waiting}, wait_s {wait_s}; expected 1 or more, 1 or more, 0 or more"
            )
        self._function, self._most, self._wait_s, self._waiting = function, most, wait_s, waiting
        self._queue: deque[tuple[float, Item, Future[Answer]]] = deque()
        self._changed = Condition()
        self._stopping = False
        self.batches = 0
        self.items = 0
        self._worker = Thread(target=self._work, name="batcher", daemon=True)
        self._worker.start()

    async def submit(self, item: Item) -> Answer:
        """The answer to one item; a caller that gives up before its batch starts is left out of it.

        Raises
        ------
        Overloaded
            If the queue is full.
        RuntimeError
            If the batcher was stopped.
        """
        return await asyncio.wrap_future(self.enqueue(item))

    def enqueue(self, item: Item) -> Future[Answer]:
        """The same for threads: a future of the answer."""
        future: Future[Answer] = Future()
        with self._changed:
            if self._stopping:
                raise RuntimeError("the batcher was stopped and takes no more items")
            if len(self._queue) >= self._waiting:
                raise Overloaded(f"{self._waiting} items wait already; ask again later")
            self._queue.append((time.monotonic(), item, future))
            self._changed.notify_all()
        return future

    def stop(self) -> None:
        """Take no more items, answer those that wait, and return when that is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._worker.join()

    def __enter__(self) -> Batcher[Item, Answer]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self) -> None:
        while taken := self._take():
            # From here on a caller can give up no more; those that did before are not computed.
            kept = [(item, future) for item, future in taken if future.set_running_or_notify_cancel()]
            if kept:
                self._answer([item for item, _ in kept], [future for _, future in kept])

    def _take(self) -> list[tuple[Item, Future[Answer]]]:
        """Wait for a batch; empty when stopped and nothing waits any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            if self._queue:
                until = self._queue[0][0] + self._wait_s
                self._changed.wait_for(self._full, timeout=max(0.0, until - time.monotonic()))
            size = min(self._most, len(self._queue))
            return [self._queue.popleft()[1:] for _ in range(size)]

    def _full(self) -> bool:
        return len(self._queue) >= self._most or self._stopping

    def _answer(self, items: list[Item], futures: list[Future[Answer]]) -> None:
        try:
            answers = self._function(items)
            if len(answers) != len(items):
                raise ValueError(f"the function gave {len(answers)} answers to {len(items)} items")
        except BaseException as error:  # whatever it is, nobody may wait for ever
            for future in futures:
                future.set_exception(error)
        else:
            for future, answer in zip(futures, answers, strict=True):
                future.set_result(answer)
        self.batches += 1
        self.items += len(items)
