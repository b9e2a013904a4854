"""Links that appear over time: what is known of a pair just before an event.

Everything that describes a pair at time t is computed from events strictly earlier than t. Simultaneous
events do not see each other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NegativeKind = Literal["random", "historical", "inductive"]

PAIR_FEATURES = (
    "sent by source", "received by source", "sent by target", "received by target",
    "partners of source", "partners of target", "earlier links", "earlier links back",
    "recency of link", "recency of link back", "recency of source", "recency of target",
    "common neighbours", "Adamic-Adar",
)  # fmt: skip
"""Columns of `pair_features`."""


@dataclass(frozen=True)
class Events:
    """Directed events in order of time.

    Attributes
    ----------
    source, target : ndarray of shape (n,)
        Nodes, 0 to `nodes` - 1.
    time : ndarray of shape (n,)
        Not decreasing.
    """

    source: Ints
    target: Ints
    time: Floats
    nodes: int

    def __post_init__(self) -> None:
        """Check the shapes, the order and the range.

        Raises
        ------
        ValueError
            If the arrays differ in length, the times decrease or are not finite, or a node is out of range.
        """
        if not len(self.source) == len(self.target) == len(self.time):
            raise ValueError("source, target and time differ in length")
        if not np.isfinite(self.time).all() or (np.diff(self.time) < 0).any():
            raise ValueError("times are not finite or decrease; sort the events by time")
        ends = np.concatenate([self.source, self.target])
        if len(ends) and (ends.min() < 0 or ends.max() >= self.nodes):
            raise ValueError(f"nodes {ends.min()} to {ends.max()}; expected 0 to {self.nodes - 1}")

    def part(self, rows: slice) -> Events:
        """Return the events of a range of rows."""
        return Events(self.source[rows], self.target[rows], self.time[rows], self.nodes)


class Pairs(NamedTuple):
    """Pairs to judge, each at its time; arrays of shape (n,)."""

    source: Ints
    target: Ints
    time: Floats


class Recent(NamedTuple):
    """The last events of nodes before given times, the latest first.

    Arrays have shape (n, k). `partner` is the other node (-1 where there is no event), `age` the time
    since the event, `sent` whether the node was its source.
    """

    partner: Ints
    age: Floats
    sent: NDArray[np.bool_]


class History:
    """Index of events by node.

    Parameters
    ----------
    events : Events
    """

    def __init__(self, events: Events) -> None:
        node = np.concatenate([events.source, events.target])
        time = np.concatenate([events.time, events.time])
        order = np.lexsort((time, node))
        self._partner = np.concatenate([events.target, events.source])[order]
        self._sent = np.repeat([True, False], len(events.time))[order]
        self._time = time[order]
        self._start = np.searchsorted(node[order], np.arange(events.nodes + 1))

    def recent(self, nodes: Ints, times: Floats, k: int) -> Recent:
        """Return the last `k` events of each node strictly before its time."""
        end = _last_before(self._time, self._start[nodes], self._start[nodes + 1], times)
        rows = end[:, None] - 1 - np.arange(k)
        exists = rows >= self._start[nodes][:, None]
        rows = np.where(exists, rows, 0)
        if not len(self._time):
            shape = rows.shape
            return Recent(np.full(shape, -1), np.zeros(shape), np.zeros(shape, bool))
        age = np.where(exists, times[:, None] - self._time[rows], 0.0)
        return Recent(np.where(exists, self._partner[rows], -1), age, self._sent[rows] & exists)


def _last_before(time: Floats, low: Ints, high: Ints, limit: Floats) -> Ints:
    """Return the first row of each range of times that is not below the limit."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) // 2
        below = (low < high) & (time[np.minimum(middle, len(time) - 1)] < limit)
        high = np.where((low < high) & ~below, middle, high)
        low = np.where(below, middle + 1, low)
    return low


def pair_features(events: Events, pairs: Pairs) -> Floats:
    """Describe pairs by what happened strictly before.

    The columns are those of `PAIR_FEATURES`. Counts are ``log(1 + n)``; a recency is
    ``1 / (1 + log(1 + age))``, and 0 if there was no event; Adamic and Adar (2003) sum ``1 / log(degree)``
    over common neighbours.

    Parameters
    ----------
    events : Events
        All that happened, also later events, which are ignored.
    pairs : Pairs
        In any order.

    Returns
    -------
    (n, 14) float
    """
    sent, received = np.zeros(events.nodes), np.zeros(events.nodes)
    seen = np.full(events.nodes, -np.inf)
    count: dict[tuple[int, int], int] = defaultdict(int)
    last: dict[tuple[int, int], float] = {}
    partners: list[set[int]] = [set() for _ in range(events.nodes)]
    result = np.zeros((len(pairs.time), len(PAIR_FEATURES)))
    position = 0
    sources, targets, times = events.source.tolist(), events.target.tolist(), events.time.tolist()
    for row in np.argsort(pairs.time, kind="stable").tolist():
        s, d, now = int(pairs.source[row]), int(pairs.target[row]), float(pairs.time[row])
        while position < len(times) and times[position] < now:
            a, b, then = sources[position], targets[position], times[position]
            sent[a] += 1
            received[b] += 1
            seen[a] = seen[b] = then
            count[a, b] += 1
            last[a, b] = then
            partners[a].add(b)
            partners[b].add(a)
            position += 1
        common = partners[s] & partners[d]
        result[row] = (
            sent[s], received[s], sent[d], received[d], len(partners[s]), len(partners[d]),
            count.get((s, d), 0), count.get((d, s), 0),
            now - last.get((s, d), -math.inf), now - last.get((d, s), -math.inf),
            now - seen[s], now - seen[d], len(common),
            # A common neighbour has at least two partners, unless the pair is one node.
            sum(1 / math.log(max(len(partners[node]), 2)) for node in common),
        )  # fmt: skip
    counts = [*range(8), 12]
    result[:, counts] = np.log1p(result[:, counts])
    result[:, 8:12] = 1 / (1 + np.log1p(result[:, 8:12]))  # 0 for an infinite age
    return result


def negative_targets(
    events: Events, train: int, rows: slice, kind: NegativeKind, rng: np.random.Generator, *, each: int = 1
) -> Pairs:
    """Draw `each` pairs without an event for every event of `rows`.

    They have the time of the event, and are no events of that time.

    - random: the source of the event with any other node as target;
    - historical: a pair with an event among the first `train` events;
    - inductive: a pair with an event after those, and none among them.

    Historical and inductive negatives are those of Poursafaei et al. (2022): a model that only remembers
    pairs cannot tell them from events.

    Raises
    ------
    ValueError
        If there is no pair of the kind.
    """
    judged = events.part(rows)
    source, time = np.repeat(judged.source, each), np.repeat(judged.time, each)
    if kind == "random":
        target = rng.integers(events.nodes, size=len(source))
    else:
        key = events.source * events.nodes + events.target
        pool = np.unique(key[:train])
        if kind == "inductive":
            pool = np.setdiff1d(key[train:], pool)
        if not len(pool):
            raise ValueError(f"there is no pair for {kind} negatives")
        source, target = np.divmod(rng.choice(pool, len(source)), events.nodes)
    for _ in range(1000):
        wrong = _happens(events, source, target, time) | (source == target)
        if not wrong.any():
            return Pairs(source, target, time)
        if kind == "random":
            target[wrong] = rng.integers(events.nodes, size=int(wrong.sum()))
        else:
            source[wrong], target[wrong] = np.divmod(rng.choice(pool, int(wrong.sum())), events.nodes)
    raise ValueError(f"no {kind} negative was found for {int(wrong.sum())} events")


def _happens(events: Events, source: Ints, target: Ints, time: Floats) -> NDArray[np.bool_]:
    """Return whether a pair has an event at exactly that time."""
    moments, at = np.unique(events.time, return_inverse=True)
    pairs = events.nodes**2
    known = at * pairs + events.source * events.nodes + events.target
    asked = np.searchsorted(moments, time) * pairs + source * events.nodes + target
    return np.isin(asked, known)
