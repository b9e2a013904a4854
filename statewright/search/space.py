"""Spaces of params: floats, integers and choices, some only under a condition.

A space is a dict from names to entries, and a config is a dict from names to values:

    space = {
        "model": Choice(["ridge", "forest"]),
        "alpha": Float(1e-3, 10, log=True, when={"model": "ridge"}),
        "trees": Integer(10, 300, when={"model": "forest"}),
    }
    sample(space, numpy.random.default_rng(0))     # {"model": "forest", "trees": 83}

An entry with `when` is part of a config only if each named entry is, and has one of the values.

Samplers work on the unit cube. `to_unit` and `from_unit` map a config to a point and back, one
coordinate an entry (`statewright.search.entries`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statewright.search.entries import (
    Choice,
    Entry,
    Float,
    Integer,
    decode,
    encode,
    has_value,
    is_same,
    levels,
)

__all__ = [
    "Choice",
    "Config",
    "Entry",
    "Float",
    "Floats",
    "Integer",
    "Space",
    "check_space",
    "contains",
    "decode",
    "encode",
    "from_unit",
    "is_active",
    "is_same",
    "key",
    "levels",
    "sample",
    "to_unit",
]

Floats = NDArray[np.float64]
Config = dict[str, Any]

Space: TypeAlias = Mapping[str, Entry]


def check_space(space: Space) -> None:
    """Check that a space has entries and that their conditions can be evaluated.

    Raises
    ------
    ValueError
        If the space is empty, a name is not text, an entry is of another type, a condition names an
        unknown entry, a float or a value that the entry never has, or conditions form a cycle.
    """
    if not isinstance(space, Mapping) or not space:
        raise ValueError(f"the space is {space!r}; expected a dict with at least one entry")
    for name, entry in space.items():
        if not isinstance(name, str):
            raise ValueError(f"the space has the name {name!r}; expected text")
        if not isinstance(entry, Float | Integer | Choice):
            raise ValueError(f"{name}: the entry is {entry!r}; expected Float, Integer or Choice")
        _check_condition(space, name, entry.when)
    for name in space:
        _check_cycle(space, name)


def sample(space: Space, rng: np.random.Generator) -> Config:
    """Draw a config, each coordinate uniform on the unit interval."""
    return from_unit(space, rng.random(len(space)))


def from_unit(space: Space, point: ArrayLike) -> Config:
    """Return the config of a point of the unit cube.

    Parameters
    ----------
    point : array_like of float, (d,)
        One coordinate an entry, in the order of the space. Values outside [0, 1] count as the nearest
        bound. Coordinates of absent entries are ignored.

    Returns
    -------
    dict
        Plain Python values in the order of the space; entries whose condition fails are absent.
    """
    coordinates = np.clip(np.asarray(point, np.float64), 0, 1).tolist()
    values = {
        name: decode(entry, share) for (name, entry), share in zip(space.items(), coordinates, strict=True)
    }
    return {name: value for name, value in values.items() if is_active(space, name, values)}


def to_unit(space: Space, config: Mapping[str, Any], absent: float = 0.5) -> Floats:
    """Return the point of the unit cube of a config, (d,).

    Parameters
    ----------
    absent : float
        Coordinate of entries that are not part of the config.

    Raises
    ------
    ValueError
        If the config lacks an entry, has one that it must not have, or a value is outside its range.
    """
    _check_names(space, config)
    return np.array(
        [encode(name, entry, config[name]) if name in config else absent for name, entry in space.items()],
        np.float64,
    )


def contains(space: Space, config: Mapping[str, Any]) -> bool:
    """Return whether a config has the entries of the space, each in its range."""
    try:
        to_unit(space, config)
    except ValueError:
        return False
    return True


def key(space: Space, config: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Return a hashable value, equal for two configs that are equal."""
    return tuple(
        None
        if name not in config
        else encode(name, entry, config[name])
        if isinstance(entry, Choice)
        else config[name]
        for name, entry in space.items()
    )


def _check_condition(space: Space, name: str, condition: Mapping[str, Any] | None) -> None:
    if condition is None:
        return
    if not isinstance(condition, Mapping) or not condition:
        raise ValueError(f"{name}: the condition is {condition!r}; expected {{NAME: VALUE}}")
    for parent, wanted in condition.items():
        if parent not in space:
            raise ValueError(f"{name}: the condition names {parent}, which is not an entry of the space")
        entry = space[parent]
        if isinstance(entry, Float):
            raise ValueError(f"{name}: the condition is on {parent}, a float; expected integer or choice")
        for value in _as_values(entry, wanted):
            if not has_value(entry, value):
                raise ValueError(f"{name}: the condition is {parent} = {value!r}, which it never has")


def _check_cycle(space: Space, start: str) -> None:
    waiting, visited = [start], set()
    while waiting:
        for parent in space[waiting.pop()].when or ():
            if parent == start:
                raise ValueError(f"{start}: its condition depends on itself")
            if parent not in visited:
                visited.add(parent)
                waiting.append(parent)


def _as_values(entry: Entry, wanted: Any) -> Sequence[Any]:
    """Return the values of a condition; a list may itself be one value of a choice."""
    return wanted if isinstance(wanted, list | tuple) and not has_value(entry, wanted) else [wanted]


def is_active(space: Space, name: str, values: Mapping[str, Any]) -> bool:
    """Return whether an entry's conditions hold, and those of the entries they name."""
    return all(
        parent in values
        and any(is_same(values[parent], value) for value in _as_values(space[parent], wanted))
        and is_active(space, parent, values)
        for parent, wanted in (space[name].when or {}).items()
    )


def _check_names(space: Space, config: Mapping[str, Any]) -> None:
    for name in config:
        if name not in space:
            raise ValueError(f"the config has {name!r}, which is not an entry of the space")
    for name in space:
        if (name in config) != is_active(space, name, config):
            state = "has" if name in config else "lacks"
            raise ValueError(f"the config {state} {name!r} against its condition ({space[name].when})")
