"""A bounded cache that counts its hits, and the latency that its hit rate lets expect."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class CacheCounts:
    """How often a cache was asked, and what it dropped.

    Attributes
    ----------
    hits, misses : int
    evicted : int
        Entries dropped because the cache was full.
    expired : int
        Entries dropped because they were too old.
    """

    hits: int = 0
    misses: int = 0
    evicted: int = 0
    expired: int = 0

    @property
    def hit_rate(self) -> float:
        """``hits / (hits + misses)``; 0 before the first question."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class Cache(Generic[Value]):
    """The values last used, at most `most` of them and none older than `ttl_s`; safe between threads.

    Parameters
    ----------
    most : int
        Entries kept, 1 or more; of more, the one used longest ago is dropped.
    ttl_s : float
        Seconds after it was put that an entry is of use; above 0, infinity for no bound.
    clock : callable
        Seconds that never run backwards.

    Raises
    ------
    ValueError
        If `most` or `ttl_s` is out of its range.
    """

    def __init__(self, most: int, ttl_s: float, *, clock: Callable[[], float] = time.monotonic):
        if most < 1:
            raise ValueError(f"most is {most}; a cache keeps 1 entry or more")
        if not ttl_s > 0:
            raise ValueError(f"ttl_s is {ttl_s}; expected seconds above 0")
        self._most, self._ttl_s, self._clock = most, ttl_s, clock
        self._entries: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._hits = self._misses = self._evicted = self._expired = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value of `key`, which thereby is the one used last; None, a miss, if there is none."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None and self._clock() - found[0] >= self._ttl_s:
                del self._entries[key]
                self._expired += 1
                found = None
            if found is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return found[1]

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value under `key`, from now on; what was there is replaced.

        Raises
        ------
        ValueError
            If the value is None, which `get` could not tell from a miss.
        """
        if value is None:
            raise ValueError(f"the value of {key!r} is None, which means a miss; keep something else")
        with self._lock:
            self._entries[key] = (self._clock(), value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._most:
                self._entries.popitem(last=False)
                self._evicted += 1

    def counts(self) -> CacheCounts:
        """What has been counted so far."""
        with self._lock:
            return CacheCounts(self._hits, self._misses, self._evicted, self._expired)

    def clear(self) -> None:
        """Drop all entries; the counts go on."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


def expected_latency(hit_rate: float, cached_s: float, computed_s: float) -> float:
    """Mean latency behind a cache, ``E[T] = hit_rate cached_s + (1 - hit_rate) computed_s``.

    Parameters
    ----------
    hit_rate : float
        0 to 1.
    cached_s, computed_s : float
        Mean seconds of an answer out of the cache, and of one that is computed. The time that a miss
        spends asking the cache belongs to `computed_s`.

    References
    ----------
    Specification 2 §7.7.
    """
    if not 0 <= hit_rate <= 1:
        raise ValueError(f"the hit rate is {hit_rate}; expected 0 to 1")
    return hit_rate * cached_s + (1 - hit_rate) * computed_s
