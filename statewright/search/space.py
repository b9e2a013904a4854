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
coordinate an entry: floats by their share of the range (of the logarithm's, with `log`), the i-th of n
integers or choices at (i + 1/2) / n, the middle of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Config = dict[str, Any]

LARGEST = 2**53
"""Whole numbers up to this size are exact as floats."""


@dataclass(frozen=True)
class Float:
    """A number between `low` and `high`; with `log`, its logarithm is searched.

    Raises
    ------
    ValueError
        If a bound is not a finite number, `low` is not below `high`, or `low` <= 0 with `log`.
    """

    low: float
    high: float
    log: bool = False
    when: Mapping[str, Any] | None = field(default=None, hash=False, kw_only=True)

    def __post_init__(self) -> None:
        for bound in (self.low, self.high):
            if not _is_number(bound, Real) or not math.isfinite(bound):
                raise ValueError(f"a bound is {bound!r}; expected a finite number")
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        _check_range(self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low} on a logarithmic scale; expected a number above 0")


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, both included; `log` as for `Float`.

    Raises
    ------
    ValueError
        If a bound is not a whole number of at most `LARGEST`, `low` is not below `high`, or `low` < 1
        with `log`.
    """

    low: int
    high: int
    log: bool = False
    when: Mapping[str, Any] | None = field(default=None, hash=False, kw_only=True)

    def __post_init__(self) -> None:
        for bound in (self.low, self.high):
            if not _is_number(bound, Integral) or abs(bound) > LARGEST:
                raise ValueError(f"a bound is {bound!r}; expected a whole number from -2**53 to 2**53")
        object.__setattr__(self, "low", int(self.low))
        object.__setattr__(self, "high", int(self.high))
        _check_range(self.low, self.high)
        if self.log and self.low < 1:
            raise ValueError(f"low is {self.low} on a logarithmic scale; expected at least 1")


@dataclass(frozen=True)
class Choice:
    """One of `values`, objects of any type; a config has the object itself.

    Raises
    ------
    ValueError
        If there is no value, or one twice. Values of different types differ: 1, 1.0, True and "1".
    """

    values: Sequence[Any] = field(hash=False)
    when: Mapping[str, Any] | None = field(default=None, hash=False, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.values, str | bytes | Mapping) or not isinstance(self.values, Sequence):
            raise ValueError(f"the values are {self.values!r}; expected a list")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError("there are no values to choose from; expected at least one")
        for i, value in enumerate(self.values):
            if any(is_same(value, earlier) for earlier in self.values[:i]):
                raise ValueError(f"the value {value!r} is listed twice; expected each value once")


Entry: TypeAlias = Float | Integer | Choice
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


def decode(entry: Entry, share: float) -> Any:
    """Return the value of an entry at a coordinate in [0, 1]; NaN counts as 0."""
    share = share if share == share else 0.0
    if isinstance(entry, Choice):
        return entry.values[min(int(share * len(entry.values)), len(entry.values) - 1)]
    if isinstance(entry, Float):
        value = _stretch(entry.low, entry.high, share, entry.log)
        return min(max(value, entry.low), entry.high)
    # Each integer is the middle of an interval of length 1, on either scale.
    whole = round(_stretch(entry.low - 0.5, entry.high + 0.5, share, entry.log))
    return min(max(whole, entry.low), entry.high)


def encode(name: str, entry: Entry, value: Any) -> float:
    """Return the coordinate of a value in [0, 1].

    Raises
    ------
    ValueError
        If the value is not one of the entry's.
    """
    if isinstance(entry, Choice):
        for i, candidate in enumerate(entry.values):
            if is_same(candidate, value):
                return (i + 0.5) / len(entry.values)
        raise ValueError(f"{name} is {value!r}; expected one of {list(entry.values)!r}")
    if isinstance(entry, Integer):
        if _is_number(value, Integral) and entry.low <= value <= entry.high:
            return _shrink(entry.low - 0.5, entry.high + 0.5, int(value), entry.log)
        raise ValueError(f"{name} is {value!r}; expected a whole number from {entry.low} to {entry.high}")
    if _is_number(value, Real) and entry.low <= value <= entry.high:
        return _shrink(entry.low, entry.high, float(value), entry.log)
    raise ValueError(f"{name} is {value!r}; expected a number from {entry.low} to {entry.high}")


def levels(entry: Entry) -> float:
    """Return the number of values that an entry can have; infinite for a float."""
    if isinstance(entry, Choice):
        return len(entry.values)
    return entry.high - entry.low + 1 if isinstance(entry, Integer) else math.inf


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


def is_same(first: Any, second: Any) -> bool:
    """Return whether two values are equal and of one type; a list equals its tuple.

    A journal in JSON returns tuples as lists. True is not 1 and 1 is not 1.0.
    """
    if first is second:
        return True
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(is_same, first, second))
    if type(first) is not type(second):
        return False
    return bool(first == second) or bool(first != first and second != second)


def _is_number(value: Any, kind: type) -> bool:
    """Return whether a value is a number of a kind; True and False are not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _check_range(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low is {low} and high is {high}; expected low below high")


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
            if not _has_value(entry, value):
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


def _has_value(entry: Entry, value: Any) -> bool:
    try:
        encode("", entry, value)
    except ValueError:
        return False
    return True


def _as_values(entry: Entry, wanted: Any) -> Sequence[Any]:
    """Return the values of a condition; a list may itself be one value of a choice."""
    return wanted if isinstance(wanted, list | tuple) and not _has_value(entry, wanted) else [wanted]


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


def _stretch(low: float, high: float, share: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) * (1 - share) + math.log(high) * share)
    # Not low + share * (high - low): the difference of two finite bounds may be infinite.
    return low * (1 - share) + high * share


def _shrink(low: float, high: float, value: float, log: bool) -> float:
    if log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    if math.isinf(high - low):
        low, high, value = low / 2, high / 2, value / 2
    # The logarithms of two neighbouring floats may be equal.
    return min(max((value - low) / (high - low), 0.0), 1.0) if low < high else 0.5
