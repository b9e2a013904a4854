"""A bounded cache with statistics, and the expected latency at a hit rate."""

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
    """Statistics of a cache.

    Attributes
    ----------
    hits, misses : int
        Lookups that returned a value, and those that did not.
    evicted : int
        Entries removed because the cache was full.
    expired : int
        Entries removed because they were older than the time to live.
    """

    hits: int = 0
    misses: int = 0
    evicted: int = 0
    expired: int = 0

    @property
    def hit_rate(self) -> float:
        """``hits / (hits + misses)``; 0 before the first lookup."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else 0.0


class Cache(Generic[Value]):
    """A least-recently-used cache with a time to live.

    Several threads can share it.

    Parameters
    ----------
    max_entries : int
        1 or more. A further entry replaces the least recently used one.
    ttl_s : float
        Seconds until an entry expires; above 0, infinity for no limit.
    clock : callable
        A monotonic clock in seconds.

    Raises
    ------
    ValueError
        If `max_entries` or `ttl_s` is out of range.
    """

    def __init__(self, max_entries: int, ttl_s: float, *, clock: Callable[[], float] = time.monotonic):
        if max_entries < 1:
            raise ValueError(f"max_entries is {max_entries}; expected 1 or more")
        if not ttl_s > 0:
            raise ValueError(f"ttl_s is {ttl_s}; expected a number of seconds above 0")
        self._max_entries, self._ttl_s, self._clock = max_entries, ttl_s, clock
        self._entries: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._hits = self._misses = self._evicted = self._expired = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """Return the value of `key`, or None after a miss.

        A hit makes the entry the most recently used one.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and self._clock() - entry[0] >= self._ttl_s:
                del self._entries[key]
                self._expired += 1
                entry = None
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return entry[1]

    def put(self, key: Hashable, value: Value) -> None:
        """Store a value under `key`; it replaces an earlier value.

        Its time to live starts now.

        Raises
        ------
        ValueError
            If the value is None, which `get` returns for a miss.
        """
        if value is None:
            raise ValueError(f"the value of {key!r} is None, which means a miss; store another value")
        with self._lock:
            self._entries[key] = (self._clock(), value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
                self._evicted += 1

    def counts(self) -> CacheCounts:
        """Return the statistics so far."""
        with self._lock:
            return CacheCounts(self._hits, self._misses, self._evicted, self._expired)

    def clear(self) -> None:
        """Remove all entries; the statistics are not reset."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


def expected_latency(hit_rate: float, cached_s: float, computed_s: float) -> float:
    """Return the mean latency with a cache.

    ``E[T] = hit_rate cached_s + (1 - hit_rate) computed_s``

    Parameters
    ----------
    hit_rate : float
        0 to 1.
    cached_s, computed_s : float
        Mean seconds of a cached answer and of a computed one. `computed_s` includes the lookup that misses.

    Raises
    ------
    ValueError
        If the hit rate is out of range.

    References
    ----------
    Specification 2 §7.7.
    """
    if not 0 <= hit_rate <= 1:
        raise ValueError(f"the hit rate is {hit_rate}; expected a number from 0 to 1")
    return hit_rate * cached_s + (1 - hit_rate) * computed_s
