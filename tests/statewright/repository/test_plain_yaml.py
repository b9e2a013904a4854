"""Simple YAML is written as by DVC's serializer; other YAML is left to it."""

from __future__ import annotations

from typing import Any

import pytest
from dvc.utils.serialize._yaml import dumps_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.repository.plain_yaml import plain_yaml

PIECES = [
    *"abzAZ09 .,:;#-_/\\'\"|&*!?%@`=+<>()[]{}$~^\t\n\u00e9\u2028",
    *("true", "No", "null", ".inf", "0x1f", "1e5", "2001-01-01", "<<", ": ", " #", "- ", "...", "---", "../"),
    *("cat in.txt > out.txt", "python -m train", "data/raw/a.csv", "x" * 75, "word " * 20),
]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
hashes = st.text("0123456789abcdef", min_size=32, max_size=32).flatmap(
    lambda value: st.sampled_from([value, f"{value}.dir"])
)
scalars = st.one_of(
    texts,
    hashes,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=12),
    st.sampled_from(["0b" * 16, "0b" + "01" * 15, "1e" + "5" * 30]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
mappings = st.dictionaries(texts, values, max_size=4)


@settings(max_examples=400, deadline=None)
@given(data=mappings)
def test_the_text_is_that_of_dvc(data: dict[str, Any]) -> None:
    text = plain_yaml(data)
    assert text is None or text == dumps_yaml(data)
    nested = plain_yaml({"name": data}, 1)
    assert nested is None or f"stages:\n{nested}" == dumps_yaml({"stages": {"name": data}})


ENTRY = {
    "cmd": "cat in.txt > out.txt && echo 'done' | tee log",
    "deps": [
        {"path": "../raw/in 1.txt", "hash": "md5", "md5": "897316929176464ebc9ad085f31e7284", "size": 2},
        {"path": "data", "hash": "md5", "md5": "00000000000000000000000000000a00.dir", "nfiles": 3},
    ],
    "params": {"params.yaml": {"train.lr": 0.1, "train.epochs": 3, "train.names": ["a", "b"]}},
    "outs": [{"path": "out.txt", "md5": "26ab0db90d72e28ad0ba1e22ee510510", "size": 2, "isexec": True}],
}


def test_a_usual_entry_is_simple() -> None:
    assert plain_yaml(ENTRY) == dumps_yaml(ENTRY)


def test_a_value_that_occurs_twice_is_left_to_dvc() -> None:
    names = ["a", "b"]
    assert "&id001" in dumps_yaml({"one": names, "two": names})
    assert plain_yaml({"one": names, "two": names}) is None
    assert plain_yaml({"one": names, "two": list(names)}) is not None


@pytest.mark.parametrize(
    "cmd",
    [
        "python train.py " + "--option value " * 6,
        "echo a: b",
        "true",
        "- x",
        "12",
        "a\nb",
        "é",
        "x #y",
        ["a", ""],
    ],
)
def test_other_values_are_left_to_dvc(cmd: Any) -> None:
    assert plain_yaml(ENTRY | {"cmd": cmd}) is None
