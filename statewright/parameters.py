"""Change `params.yaml` by typed patches, keeping its comments and its order."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from statewright.contracts import Patch
from statewright.files import replacing
from statewright.workflow import WorkflowError


def parse_assignment(text: str) -> tuple[str, Any]:
    """``key.key=value`` with the value read as YAML reads it; ``1e-3`` is a number too.

    Raises
    ------
    WorkflowError
        If there is no ``=`` or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise WorkflowError(f"--set {text}: expected KEY=VALUE, as in --set train.lr=1e-3")
    try:
        parsed = YAML(typ="safe").load(value)
    except YAMLError as error:
        raise WorkflowError(f"--set {text}: the value is no YAML: {error}") from error
    if isinstance(parsed, str) and parsed == value.strip():  # not in quotes
        with suppress(ValueError):
            parsed = float(parsed)
    return key, parsed


def apply(path: Path, changes: Iterable[tuple[str, Any]]) -> list[Patch]:
    """Write changes into a YAML params file and return those that changed something.

    A value must be of the kind that it replaces (an integer may stand for a float), and the key
    must be there: a misspelt key is an error, not a new parameter.

    Raises
    ------
    WorkflowError
        Naming the file, the key and what was expected; the file is then as it was.
    """
    patches, text = _patched(path, changes)
    if patches:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return patches


def preview(path: Path, changes: Iterable[tuple[str, Any]]) -> list[Patch]:
    """What `apply` would change, without changing it."""
    return _patched(path, changes)[0]


def _patched(path: Path, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _represent_null)
    data = yaml.load(path.read_text(encoding="utf-8")) or {}
    patches = []
    for key, value in changes:
        was = _set(data, key, value, path)
        if was != value:
            patches.append(Patch(key=key, was=was, now=value))
    text = io.StringIO()
    yaml.dump(data, text)
    return patches, text.getvalue()


def _represent_null(representer: Any, _: None) -> Any:
    """Write ``null``, where ruamel would leave the value out."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _set(data: Any, key: str, value: Any, path: Path) -> Any:
    *parents, last = key.split(".")
    place = data
    for part in parents:
        place = place.get(part) if isinstance(place, MutableMapping) else None
    if not isinstance(place, MutableMapping) or last not in place:
        close = difflib.get_close_matches(key, list(_keys(data)), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see the file for the keys there are"
        raise WorkflowError(f"{path}: no key '{key}'; {hint}")
    was = place[last]
    if not _same_kind(was, value):
        raise WorkflowError(
            f"{path}: '{key}' is {was!r} ({type(was).__name__}), "
            f"it cannot become {value!r} ({type(value).__name__})"
        )
    place[last] = value
    return was


def _keys(data: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield f"{prefix}{key}"
            yield from _keys(value, f"{prefix}{key}.")


def _same_kind(was: Any, now: Any) -> bool:
    if was is None or now is None:
        return True
    if isinstance(was, bool) or isinstance(now, bool):
        return isinstance(was, bool) and isinstance(now, bool)
    if isinstance(was, int | float) and isinstance(now, int | float):
        return isinstance(was, float) or float(now).is_integer()
    return any(isinstance(was, kind) and isinstance(now, kind) for kind in (str, list, Mapping))
