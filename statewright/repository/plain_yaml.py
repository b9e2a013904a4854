"""Write simple YAML as DVC's serializer writes it, many times faster.

An entry of `dvc.lock` is a nest of mappings and lists that holds commands, paths, hashes and sizes. Most
of these are plain scalars: without quotes, on one line. A value that may need quotes, a line break or a
tag is left to DVC's serializer.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 80
"""Column after which DVC's serializer breaks a line at a space."""

_TEXT = re.compile(r"(?:\.\.?/)*[A-Za-z_/][!-~]*(?: [!-~]+)*")
_HASH = re.compile(r"(?=[0-9a-f]*[acdf])[0-9a-f]{32}(?:\.dir)?")
_INDICATOR = re.compile(r": | #|:$")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Words that a version of YAML reads as another type."""


class _NotPlainError(Exception):
    """A value for DVC's serializer."""


def plain_yaml(data: Mapping[str, Any], depth: int = 0) -> str | None:
    """Return `data` as DVC writes it, or None if not simple.

    Parameters
    ----------
    depth : int
        Number of mappings around `data`.
    """
    try:
        return "".join(f"{line}\n" for line in _mapping(data, "  " * depth, set()))
    except _NotPlainError:
        return None


def _mapping(data: Mapping[str, Any], indent: str, above: set[int]) -> Iterator[str]:
    """Yield the lines of a mapping.

    `above` holds the ids of the collections before it: DVC gives one that occurs twice an anchor.
    """
    if type(data) not in (dict, OrderedDict) or not data or id(data) in above:
        raise _NotPlainError
    above.add(id(data))
    for key, value in data.items():
        head = f"{indent}{_scalar(key, indent)}:"
        if len(head) > WIDTH or type(key) is not str:
            raise _NotPlainError
        if isinstance(value, Mapping):
            yield head
            yield from _mapping(value, f"{indent}  ", above)
        elif isinstance(value, list):
            yield head
            yield from _sequence(value, indent, above)
        else:
            yield f"{head} {_scalar(value, head + ' ')}"


def _sequence(items: Sequence[Any], indent: str, above: set[int]) -> Iterator[str]:
    if not items or id(items) in above:
        raise _NotPlainError
    above.add(id(items))
    for item in items:
        if isinstance(item, Mapping):
            for number, line in enumerate(_mapping(item, f"{indent}  ", above)):
                yield line if number else f"{indent}- {line[len(indent) + 2 :]}"
        else:
            yield f"{indent}- {_scalar(item, indent + '- ')}"


def _scalar(value: Any, before: str) -> str:
    """Return a plain scalar that follows the text `before` on its line."""
    if type(value) is int:
        return str(value)
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float and _FLOAT.fullmatch(repr(value)):
        return repr(value)
    if type(value) is not str:
        raise _NotPlainError
    if _HASH.fullmatch(value):
        return value
    fits = " " not in value or len(before) + len(value) <= WIDTH
    if not fits or not _TEXT.fullmatch(value) or _INDICATOR.search(value) or value.lower() in _WORDS:
        raise _NotPlainError
    return value
