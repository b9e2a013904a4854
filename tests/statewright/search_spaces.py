"""Random spaces, and a check of configs that shares no code with the engine."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from statewright.search.space import Choice, Entry, Float, Integer, Space

MIXED: Space = {
    "model": Choice(["ridge", "forest", None, True, 1, "1"]),
    "alpha": Float(1e-3, 10, log=True, when={"model": ["ridge", None]}),
    "trees": Integer(10, 300, log=True, when={"model": "forest"}),
    "depth": Integer(1, 4, when={"trees": [10, 11, 12, 13, 14, 15]}),
    "share": Float(-1, 1),
    "layers": Choice([(64, 32), [8], {"width": 3}]),
}
"""Every kind of entry; values of which some are equal but for their type; a condition on a condition."""

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "1", "", "True"]))


def is_valid(space: Space, config: dict[str, Any]) -> bool:
    """Return whether a config has the names, types and ranges that its space demands."""
    for name, entry in space.items():
        if (name in config) != holds(space, config, name):
            return False
        if name not in config:
            continue
        value = config[name]
        if isinstance(entry, Choice):
            if not any(value is candidate for candidate in entry.values):
                return False
        elif isinstance(entry, Integer):
            if type(value) is not int or not entry.low <= value <= entry.high:
                return False
        elif type(value) is not float or not entry.low <= value <= entry.high:
            return False
    return set(config) <= set(space)


def holds(space: Space, config: dict[str, Any], name: str) -> bool:
    """Return whether the conditions of an entry hold."""
    for parent, wanted in (space[name].when or {}).items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if parent not in config or (type(config[parent]), config[parent]) not in [
            (type(value), value) for value in values
        ]:
            return False
    return True


@st.composite
def entries(draw: st.DrawFn, width: float = 0.0) -> Entry:
    """Draw an entry without a condition; `width` is the least relative float range."""
    kind = draw(st.sampled_from(["float", "log float", "integer", "log integer", "choice"]))
    if kind == "choice":
        pairs = draw(st.lists(SCALARS, min_size=1, max_size=5, unique_by=lambda value: (type(value), value)))
        return Choice(pairs)
    if kind == "float":
        low = draw(st.floats(-1e6, 1e6))
        return Float(low, draw(st.floats(low + width * max(abs(low), 1), 2e6, exclude_min=True)))
    if kind == "log float":
        low = draw(st.floats(1e-12, 1e6))
        return Float(low, draw(st.floats(low * (1 + width), 1e12, exclude_min=True)), log=True)
    low = draw(st.integers(1 if kind == "log integer" else -1000, 1000))
    return Integer(low, low + draw(st.integers(1, 10**6)), log=kind == "log integer")


@st.composite
def spaces(draw: st.DrawFn, width: float = 0.0) -> Space:
    """Draw a space of up to five entries, some under conditions."""
    space: dict[str, Entry] = {}
    for i in range(draw(st.integers(1, 5))):
        entry = draw(entries(width))
        parents = [name for name, parent in space.items() if not isinstance(parent, Float)]
        if parents and draw(st.booleans()):
            name = draw(st.sampled_from(parents))
            parent = space[name]
            values = (
                list(parent.values) if isinstance(parent, Choice) else list(range(parent.low, parent.low + 2))
            )
            wanted = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
            kind = {key: value for key, value in vars(entry).items() if key != "when"}
            entry = type(entry)(**kind, when={name: draw(st.sampled_from([wanted, wanted[0]]))})
        space[f"p{i}"] = entry
    return {name: space[name] for name in draw(st.permutations(list(space)))}


def loss(config: dict[str, Any]) -> float:
    """Return the value of a config of `MIXED`; the least is 0."""
    penalty = {"ridge": 1.0, "forest": 0.0}.get(config["model"], 2.0)
    trees = abs(math.log(config["trees"] / 100)) if "trees" in config else 0.0
    alpha = abs(math.log10(config["alpha"])) if "alpha" in config else 0.0
    return penalty + trees + alpha + (config["share"] - 0.5) ** 2 + (config["layers"] != [8])
