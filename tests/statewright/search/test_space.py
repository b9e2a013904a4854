"""Spaces: configs are inside, values can be reached, bad spaces are refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from search_spaces import MIXED, entries, is_valid, spaces

from statewright.search.space import (
    Choice,
    Entry,
    Float,
    Integer,
    Space,
    check_space,
    contains,
    decode,
    encode,
    from_unit,
    is_same,
    key,
    sample,
    to_unit,
)


@given(spaces(), st.data())
def test_every_point_is_a_valid_config_and_returns(space: Space, data: st.DataObject) -> None:
    point = data.draw(arrays(np.float64, len(space), elements=st.floats(-0.5, 1.5)))
    check_space(space)
    config = from_unit(space, point)
    assert is_valid(space, config)
    assert contains(space, config)
    again = from_unit(space, to_unit(space, config))
    assert list(again) == list(config)
    for name, value in config.items():
        if isinstance(space[name], Float):
            span = max(abs(space[name].low), abs(space[name].high))
            assert again[name] == pytest.approx(value, rel=1e-9, abs=1e-12 * span)
        else:
            assert again[name] is value or again[name] == value
            assert type(again[name]) is type(value)


@given(entries(), st.data())
def test_every_value_has_a_coordinate(entry: Entry, data: st.DataObject) -> None:
    if isinstance(entry, Choice):
        for value in entry.values:
            assert decode(entry, encode("x", entry, value)) is value
    elif isinstance(entry, Integer):
        whole = data.draw(st.integers(entry.low, entry.high))
        assert decode(entry, encode("x", entry, whole)) == whole
    else:
        number = data.draw(st.floats(entry.low, entry.high))
        assert 0 <= encode("x", entry, number) <= 1
        assert decode(entry, 0) == pytest.approx(entry.low, rel=1e-12)
        assert decode(entry, 1) == pytest.approx(entry.high, rel=1e-12)


@pytest.mark.parametrize(
    "entry", [Integer(-3, 4), Choice(["a", "b", "c", None, True, 1, 1.0, "1"])], ids=["integer", "choice"]
)
def test_values_have_equal_shares(entry: Entry) -> None:
    # Of 8,000 evenly spaced coordinates, each of the eight values gets 1,000.
    values = [decode(entry, (i + 0.5) / 8000) for i in range(8000)]
    counts: dict[Any, int] = {}
    for value in values:
        name = (type(value), value)
        counts[name] = counts.get(name, 0) + 1
    assert list(counts.values()) == [1000] * 8


def test_a_logarithmic_scale_has_the_geometric_mean_in_its_middle() -> None:
    assert decode(Float(1e-4, 1, log=True), 0.5) == pytest.approx(1e-2, rel=1e-12)
    assert decode(Float(1e-4, 1), 0.5) == pytest.approx(0.50005, rel=1e-12)
    # The middle of log 0.5 to log 1000.5.
    assert decode(Integer(1, 1000, log=True), 0.5) == round(math.sqrt(0.5 * 1000.5))


def test_wide_bounds_do_not_overflow() -> None:
    entry = Float(-1.7e308, 1.7e308)
    assert decode(entry, 0.5) == 0
    assert encode("x", entry, 0.0) == 0.5


def test_conditions_decide_which_entries_are_present() -> None:
    space: Space = {
        "b": Float(0, 1, when={"a": True}),
        "a": Choice([True, 1, "1"]),
        "c": Integer(1, 3, when={"a": [1, "1"]}),
        "d": Choice([0], when={"c": 2, "a": 1}),
    }
    rng = np.random.default_rng(0)
    names = set()
    for _ in range(200):
        config = sample(space, rng)
        assert is_valid(space, config)
        names.add((type(config["a"]).__name__, tuple(config)))
    # True == 1 in Python, but only True has a b.
    assert names == {
        ("bool", ("b", "a")),
        ("int", ("a", "c")),
        ("int", ("a", "c", "d")),
        ("str", ("a", "c")),
    }


def test_a_list_is_one_value_of_a_choice_of_lists() -> None:
    space: Space = {
        "layers": Choice([[64, 32], [8]]),
        "rate": Float(0, 1, when={"layers": [64, 32]}),
        "decay": Float(0, 1, when={"layers": [[8], [64, 32]]}),
    }
    check_space(space)
    assert list(from_unit(space, [0.1, 0.5, 0.5])) == ["layers", "rate", "decay"]
    assert list(from_unit(space, [0.9, 0.5, 0.5])) == ["layers", "decay"]


def test_a_config_survives_json() -> None:
    # A journal returns tuples as lists.
    rng = np.random.default_rng(1)
    for _ in range(50):
        config = sample(MIXED, rng)
        again = json.loads(json.dumps(config))
        assert key(MIXED, again) == key(MIXED, config)
        assert np.array_equal(to_unit(MIXED, again), to_unit(MIXED, config))


def test_keys_differ_where_configs_do() -> None:
    space: Space = {"a": Choice([1, True, 1.0, "1", [1]]), "b": Float(0, 1)}
    configs = [{"a": value, "b": b} for value in space["a"].values for b in (0.0, 0.5)]  # type: ignore[union-attr]
    assert len({key(space, config) for config in configs}) == len(configs)


def test_numbers_of_other_libraries_are_accepted_and_plain_ones_returned() -> None:
    space: Space = {"x": Float(np.float32(0), np.int64(4)), "n": Integer(np.int64(1), np.int32(9))}  # type: ignore[arg-type]
    point = to_unit(space, {"x": np.float64(2), "n": np.int64(9)})
    config = from_unit(space, point)
    assert config == {"x": 2.0, "n": 9}
    assert [type(value) for value in config.values()] == [float, int]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Float(1, 1), "low below high"),
        (lambda: Float(2, 1), "low below high"),
        (lambda: Float(0, 1, log=True), "above 0"),
        (lambda: Float(-1, 1, log=True), "above 0"),
        (lambda: Float(math.nan, 1), "finite"),
        (lambda: Float(0, math.inf), "finite"),
        (lambda: Float("0", 1), "finite"),
        (lambda: Float(False, True), "finite"),
        (lambda: Integer(3, 3), "low below high"),
        (lambda: Integer(4, 3), "low below high"),
        (lambda: Integer(0.5, 3), "whole"),
        (lambda: Integer(1.0, 3), "whole"),
        (lambda: Integer(0, True), "whole"),
        (lambda: Integer(0, 2**60), "whole"),
        (lambda: Integer(0, 3, log=True), "at least 1"),
        (lambda: Choice([]), "no values"),
        (lambda: Choice("abc"), "list"),
        (lambda: Choice({"a": 1}), "list"),
        (lambda: Choice(["a", "b", "a"]), "'a' is listed twice"),
        (lambda: Choice([[1], (1,)]), "listed twice"),
        (lambda: Choice([math.nan, math.nan]), "listed twice"),
    ],
)
def test_bad_entries_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "at least one entry"),
        ([Float(0, 1)], "dict"),
        ({1: Float(0, 1)}, "name 1"),
        ({"a": [0, 1]}, "a: the entry is"),
        ({"a": Float(0, 1, when={"b": 1})}, "a: the condition names b"),
        ({"a": Float(0, 1, when={})}, "a: the condition is"),
        ({"a": Float(0, 1), "b": Float(0, 1, when={"a": 0.5})}, "b: the condition is on a, a float"),
        ({"a": Choice([1]), "b": Float(0, 1, when={"a": True})}, "never"),
        ({"a": Choice([1, 2]), "b": Float(0, 1, when={"a": [1, 3]})}, "a = 3, which it never has"),
        ({"a": Choice([1], when={"a": 1})}, "depends on itself"),
        (
            {
                "a": Choice([1], when={"c": 1}),
                "b": Choice([1], when={"a": 1}),
                "c": Choice([1], when={"b": 1}),
            },
            "depends on itself",
        ),
    ],
)
def test_bad_spaces_are_refused(space: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_space(space)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": "x"}, "lacks 'b'"),
        ({"a": "y", "b": 1}, "has 'b'"),
        ({"a": "x", "b": 1, "c": 1}, "'c', which is not an entry"),
        ({}, "lacks 'a'"),
        ({"a": "z"}, r"a is 'z'; expected one of \['x', 'y'\]"),
        ({"a": "x", "b": 10}, "b is 10; expected a whole number from 0 to 9"),
        ({"a": "x", "b": 1.0}, "b is 1.0"),
        ({"a": "x", "b": True}, "b is True"),
    ],
)
def test_configs_outside_the_space_are_refused(config: dict[str, Any], message: str) -> None:
    space: Space = {"a": Choice(["x", "y"]), "b": Integer(0, 9, when={"a": "x"})}
    assert not contains(space, config)
    with pytest.raises(ValueError, match=message):
        to_unit(space, config)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        ("1", 1, False),
        (None, False, False),
        ((1, [2]), [1, (2,)], True),
        ([1], [True], False),
        ([1], [1, 2], False),
        (math.nan, float("nan"), True),
        ({"a": 1}, {"a": 1}, True),
    ],
)
def test_values_of_different_types_differ(first: Any, second: Any, expected: bool) -> None:
    assert is_same(first, second) is expected
