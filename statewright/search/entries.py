"""Floats, integers and choices, and the coordinates of their values.

A coordinate is in [0, 1]: a float's share of the range (of the logarithm's, with `log`), and
(i + 1/2) / n for the i-th of n integers or choices, the middle of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, TypeAlias

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


def has_value(entry: Entry, value: Any) -> bool:
    """Return whether a value is one of the entry's."""
    try:
        encode("", entry, value)
    except ValueError:
        return False
    return True


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
