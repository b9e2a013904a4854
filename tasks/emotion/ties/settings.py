"""Pairs to judge: ties of newcomers, and ties of artists of which half are known.

A table of influence has no dates. The time of a tie is the decade in which the follower began, the earliest
time at which it could have been influenced. It is not the time of the influence, nor that of the judgement.

*Newcomers.* No tie of the follower is known. All ties of earlier followers are.

*Half known.* Both ends are in the network: a random half of the follower's ties is known, and so are the
same halves of its contemporaries. Time then has two moments a decade: the known half is at the decade, the
other half five years after.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.graph.links import pair_keys, same_type_negatives, unknown_links
from methods.graph.temporal import Events, Pairs, pair_features
from methods.graph.weights import contained
from tasks.emotion.params import InfluenceParams
from tasks.emotion.ties.people import DECADE, Genres, People, content, split_decades

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SETTINGS = ("newcomers", "half known")
PARTS = ("train", "validation", "test")
KINDS = ("random", "historical", "inductive", "matched")
"""Negatives of test ties; the first three as Poursafaei et al. (2022), by influencer."""
TRIES = 1000


class Judged(NamedTuple):
    """Pairs of one setting by name, and what happened.

    `pairs` has for each part ``PART`` its ties and for each kind ``PART KIND`` as many negatives; ``test
    ranked`` are ties, ``test among`` their negatives, a fixed number each in order, and ``test examples``
    some followers with all candidates.
    """

    setting: str
    events: Events
    pairs: dict[str, Pairs]


def judged_pairs(people: People, setting: str, params: InfluenceParams, seed: int) -> Judged:
    """Return the events of a setting, the ties to judge, and their negatives."""
    rng = np.random.default_rng([seed, SETTINGS.index(setting)])
    follower, influencer = people.links
    time = people.time
    asked = np.ones(len(time), bool)
    if setting == "half known":
        asked = unknown_links(follower, params.known_share, rng)
        time = time + asked * DECADE / 2
    order = np.argsort(time, kind="stable")
    events = Events(follower[order], influencer[order], time[order], len(people.table))
    pairs: dict[str, Pairs] = {}
    for part, rows in split_decades(people, params).items():
        chosen = np.flatnonzero(rows & asked)
        ties = Pairs(follower[chosen], influencer[chosen], time[chosen])
        pairs[part] = ties
        for kind in KINDS if part == "test" else KINDS[:1]:
            pairs[f"{part} {kind}"] = negatives(people, ties, kind, params, rng)
        if part == "test":
            some = np.sort(rng.choice(len(chosen), min(params.ranked, len(chosen)), replace=False))
            ranked = Pairs(ties.source[some], ties.target[some], ties.time[some])
            pairs[f"{part} ranked"] = ranked
            pairs[f"{part} among"] = negatives(people, ranked, "random", params, rng, each=params.negatives)
            pairs[f"{part} examples"] = example_pairs(people, ties, events, params.examples)
    return Judged(setting, events, pairs)


def example_pairs(people: People, ties: Pairs, events: Events, examples: int) -> Pairs:
    """Return the followers with most ties to judge, each with all candidates.

    A candidate began no later than the follower and is not known to be its influencer.
    """
    followers, size = np.unique(ties.source, return_counts=True)
    chosen = followers[np.argsort(-size, kind="stable")[:examples]]
    parts = []
    for follower in chosen:
        now = ties.time[ties.source == follower][0]
        known = events.target[(events.source == follower) & (events.time < now)]
        fits = people.began <= people.began[follower]
        fits[[follower, *known]] = False
        target = np.flatnonzero(fits)
        parts.append(Pairs(np.full(len(target), follower), target, np.full(len(target), now)))
    return Pairs(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def negatives(
    people: People,
    ties: Pairs,
    kind: str,
    params: InfluenceParams,
    rng: np.random.Generator,
    *,
    each: int = 1,
) -> Pairs:
    """Draw influencers that each follower has no tie to, at any time.

    They began no later than the follower, as its influencers did.

    - random: any such artist;
    - historical: the influencer of a random tie of the training time, so popular artists are as frequent
      as among ties;
    - inductive: the same for ties after the training time, among artists without a tie in it;
    - matched: an artist of the genre and decade of the influencer; ties without one are left out.
    """
    if kind == "matched":
        groups = people.genre * 1000 + (people.began / DECADE).astype(int)
        ends = np.stack([ties.source, ties.target])
        found = same_type_negatives(ends, groups, people.links, rng)
        return Pairs(found.pairs[0], found.pairs[1], ties.time[found.link_index])
    source, time = np.repeat(ties.source, each), np.repeat(ties.time, each)
    pool = influencer_pool(people, kind, params)
    taken = np.unique(pair_keys(people.links, len(people.table)))
    target = rng.choice(pool, len(source))
    wrong = np.arange(len(source))
    for _ in range(TRIES):
        a, b = source[wrong], target[wrong]
        known = contained(pair_keys(np.stack([a, b]), len(people.table)), taken)
        wrong = wrong[(people.began[b] > people.began[a]) | (a == b) | known]
        if not len(wrong):
            return Pairs(source, target, time)
        target[wrong] = rng.choice(pool, len(wrong))
    raise ValueError(f"no {kind} negative was found for {len(wrong)} ties")


def influencer_pool(people: People, kind: str, params: InfluenceParams) -> Ints:
    """Return the artists from which negatives are drawn, as often as they may be."""
    if kind == "random":
        return np.arange(len(people.table))
    early = people.time < params.validation_from
    before = people.links[1, early]
    if kind == "historical":
        return before
    later = people.links[1, ~early]
    return later[~np.isin(later, before)]


class Described(NamedTuple):
    """Features of all pairs of a setting by name: 14 temporal ones, and content."""

    temporal: dict[str, Floats]
    content: dict[str, Floats]


def describe(people: People, genres: Genres, judged: Judged) -> Described:
    """Compute both kinds of features of all pairs at once."""
    names = list(judged.pairs)
    everything = Pairs(*(np.concatenate(values) for values in zip(*judged.pairs.values(), strict=True)))
    ends = np.cumsum([len(judged.pairs[name].time) for name in names])[:-1]
    temporal = np.split(pair_features(judged.events, everything), ends)
    static = np.split(content(people, genres, everything.source, everything.target), ends)
    return Described(dict(zip(names, temporal, strict=True)), dict(zip(names, static, strict=True)))
