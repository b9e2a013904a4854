"""Dynamic batching: callers submit single items, a function processes batches.

A batch starts when `max_batch_size` items wait, or when the oldest item has waited `max_wait_s` seconds.
While one batch is computed, the next one fills. Under load, batches are therefore full without a wait, and
`max_wait_s` only adds to the latency of a caller that is alone.
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
Result = TypeVar("Result")


class QueueFullError(RuntimeError):
    """A queue has reached its maximum size; try again later."""


class Batcher(Generic[Item, Result]):
    """A queue of items from many callers that one thread processes in batches.

    Parameters
    ----------
    function : callable
        It maps a list of 1 to `max_batch_size` items to as many results, in the same order. Every caller of
        a batch receives the exception that it raises. The next batch is not affected.
    max_batch_size : int
        1 or more.
    max_wait_s : float
        Seconds to wait for a batch to fill, 0 or more.
    max_queue_size : int
        Items that may wait, 1 or more; further items are rejected.

    Attributes
    ----------
    batches, items : int
        Number of batches and items that were processed.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result]],
        *,
        max_batch_size: int,
        max_wait_s: float,
        max_queue_size: int = 1024,
    ):
        if max_batch_size < 1 or max_queue_size < 1 or not max_wait_s >= 0:
            raise ValueError(
                f"max_batch_size is {max_batch_size}, max_queue_size {max_queue_size}, max_wait_s "
                f"{max_wait_s}; expected 1 or more, 1 or more, 0 or more"
            )
        self._function, self._max_batch_size = function, max_batch_size
        self._max_wait_s, self._max_queue_size = max_wait_s, max_queue_size
        self._queue: deque[tuple[float, Item, Future[Result]]] = deque()
        self._changed = Condition()
        self._stopping = False
        self.batches = 0
        self.items = 0
        self._worker = Thread(target=self._work, name="batcher", daemon=True)
        self._worker.start()

    async def submit(self, item: Item) -> Result:
        """Return the result of one item.

        An item is removed if its caller is cancelled before the batch starts.

        Raises
        ------
        QueueFullError
            If the queue is full.
        RuntimeError
            If the batcher was stopped.
        """
        return await asyncio.wrap_future(self.enqueue(item))

    def enqueue(self, item: Item) -> Future[Result]:
        """Return a future of the result of one item, for callers in threads."""
        future: Future[Result] = Future()
        with self._changed:
            if self._stopping:
                raise RuntimeError("the batcher was stopped; submit items before `stop` is called")
            if len(self._queue) >= self._max_queue_size:
                raise QueueFullError(
                    f"{self._max_queue_size} items are waiting, the maximum; try again later"
                )
            self._queue.append((time.monotonic(), item, future))
            self._changed.notify_all()
        return future

    def stop(self) -> None:
        """Reject new items, process those that wait, then stop the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._worker.join()

    def __enter__(self) -> Batcher[Item, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self) -> None:
        while batch := self._next_batch():
            # From here on a future cannot be cancelled. Futures that were cancelled before are not computed.
            active = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if active:
                self._process([item for item, _ in active], [future for _, future in active])

    def _next_batch(self) -> list[tuple[Item, Future[Result]]]:
        """Wait for a batch; return an empty list if stopped and the queue is empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            if self._queue:
                deadline = self._queue[0][0] + self._max_wait_s
                self._changed.wait_for(self._is_ready, timeout=max(0.0, deadline - time.monotonic()))
            size = min(self._max_batch_size, len(self._queue))
            return [self._queue.popleft()[1:] for _ in range(size)]

    def _is_ready(self) -> bool:
        return len(self._queue) >= self._max_batch_size or self._stopping

    def _process(self, items: list[Item], futures: list[Future[Result]]) -> None:
        try:
            results = self._function(items)
            if len(results) != len(items):
                raise ValueError(
                    f"the function returned {len(results)} results for {len(items)} items; "
                    "expected one for each item"
                )
        except BaseException as error:  # a future that is never set would block its caller forever
            for future in futures:
                future.set_exception(error)
        else:
            for future, result in zip(futures, results, strict=True):
                future.set_result(result)
        self.batches += 1
        self.items += len(items)
