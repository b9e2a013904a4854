"""Typed changes of params files; YAML and TOML keep their comments and order."""

from __future__ import annotations

import difflib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML, YAMLError

from statewright.files import conflict_in, replacing
from statewright.inplace import replace_value, represent_null
from statewright.masking import mask_arguments, mask_command, mask_value
from statewright.workflow import WorkflowError

if TYPE_CHECKING:
    from statewright.contracts import Patch


def parse_assignment(text: str) -> tuple[str, Any]:
    """Parse ``key.key=value``; the value is YAML, except that ``1e-3`` is a number.

    Raises
    ------
    WorkflowError
        If there is no ``=`` or the value is not valid YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise WorkflowError(f"--set {mask_command(text)}: expected KEY=VALUE, as in --set train.lr=1e-3")
    try:
        parsed = YAML(typ="safe").load(value)
    except YAMLError as error:
        shown = mask_arguments([text])
        cause = f": {error}" if shown == text else ""  # the error quotes the value
        raise WorkflowError(f"--set {shown}: the value is not valid YAML{cause}") from error
    if isinstance(parsed, str) and parsed == value.strip():  # not in quotes
        with suppress(ValueError):
            parsed = float(parsed)
    return key, parsed


DEFAULT_FILE = "params.yaml"


def assigned(root: Path, assignments: Iterable[str]) -> dict[str, tuple[list[Patch], str]]:
    """Return the patches and new texts of the params files that assignments change.

    No file is written.

    Parameters
    ----------
    assignments : iterable of str
        ``KEY=VALUE`` for `params.yaml`, or ``FILE:KEY=VALUE`` for a file relative to `root`.

    Returns
    -------
    dict of str to (list of Patch, str)
        File -> its patches and its new text.

    Raises
    ------
    WorkflowError
        If a key does not exist or a value has another type.
    """
    changes: dict[str, list[tuple[str, Any]]] = {}
    for text in assignments:
        key, value = parse_assignment(text)
        file, _, name = key.rpartition(":")
        changes.setdefault(Path(file or DEFAULT_FILE).as_posix(), []).append((name, value))
    return {file: patched(root / file, values) for file, values in changes.items()}


def assign(root: Path, assignments: Iterable[str]) -> list[tuple[str, Patch]]:
    """Write assignments into params files and return the patches with their files.

    If one assignment is invalid, no file is written; see `assigned`.
    """
    changes = assigned(root, assignments)
    for file, (patches, text) in changes.items():
        if patches:
            write(root / file, text)
    return [(file, patch) for file, (patches, _) in changes.items() for patch in patches]


def apply(path: Path, changes: Iterable[tuple[str, Any]]) -> list[Patch]:
    """Write changes into a params file and return the effective ones as patches.

    A new value must have the type of the old one; a whole number replaces a float and is written
    as a float. The key must exist: a misspelt key is an error, not a new parameter.

    Raises
    ------
    WorkflowError
        If a key does not exist or a value has another type; the file is unchanged.
    """
    patches, text = patched(path, changes)
    if patches:
        write(path, text)
    return patches


def preview(path: Path, changes: Iterable[tuple[str, Any]]) -> list[Patch]:
    """Return the patches of `apply` without writing the file."""
    return patched(path, changes)[0]


def patched(path: Path, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    """Return the patches of `apply` and the new text without writing the file."""
    if not path.is_file():
        raise WorkflowError(f"{path}: params file does not exist; expected FILE:KEY=VALUE or KEY=VALUE")
    forms = {".json": _patched_json, ".toml": _patched_toml, ".yaml": _patched_yaml, ".yml": _patched_yaml}
    if path.suffix not in forms:
        raise WorkflowError(
            f"{path}: values can be set in .yaml, .json and .toml files only; edit this file by hand"
        )
    try:
        return forms[path.suffix](path, _read(path), changes)
    except WorkflowError:
        raise
    except (YAMLError, ValueError) as error:
        if conflict := conflict_in(path):
            raise WorkflowError(conflict) from error
        raise WorkflowError(f"{path}: expected {path.suffix[1:]}: {error}; fix the file") from error


def _patched_yaml(path: Path, text: str, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    """Change values in place if possible, else rewrite the file with its comments."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    data = yaml.load(text) or {}
    patches = _set_all(data, changes, path)
    in_place = _replaced(text, patches)
    expected = YAML(typ="safe").load(text) or {}
    _set_all(expected, ((patch.key, patch.now) for patch in patches), path)
    if in_place is not None and YAML(typ="safe").load(in_place) == expected:
        return patches, in_place
    yaml.representer.add_representer(type(None), represent_null)
    written = io.StringIO()
    yaml.dump(data, written)
    if YAML(typ="safe").load(written.getvalue()) != expected:
        raise WorkflowError(
            f"{path}: this value cannot be set without changing others; edit the file by hand"
        )
    return patches, written.getvalue()


def _read(path: Path) -> str:
    """Return the text with its original line endings."""
    with path.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def write(path: Path, text: str) -> None:
    """Replace a file; the line endings are those of `text`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def _replaced(text: str, patches: Iterable[Patch], dump: Callable[[Any], str] | None = None) -> str | None:
    result: str | None = text
    for patch in patches:
        if result is not None:
            result = replace_value(result, patch.key.split("."), patch.now, dump)
    return result


def _patched_json(path: Path, text: str, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    data = json.loads(text)
    patches = _set_all(data, changes, path)
    in_place = _replaced(text, patches, partial(json.dumps, ensure_ascii=False))
    with suppress(ValueError):
        if in_place is not None and json.loads(in_place) == data:
            return patches, in_place
    second = text.splitlines()[1] if "\n" in text.strip() else ""
    indent = len(second) - len(second.lstrip()) or None
    end = "\n" if text.endswith("\n") else ""
    return patches, json.dumps(data, indent=indent, ensure_ascii=False) + end


def _patched_toml(path: Path, text: str, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    import tomlkit

    data = tomlkit.parse(text)
    patches = _set_all(data, changes, path)
    return patches, tomlkit.dumps(data)


def _set_all(data: Any, changes: Iterable[tuple[str, Any]], path: Path) -> list[Patch]:
    from statewright.contracts import Patch  # with pydantic, which few runs need

    patches = []
    for key, value in changes:
        was, now = _set(data, key, value, path)
        if was != now:
            patches.append(Patch(key=key, was=was, now=now))
    return patches


def _set(data: Any, key: str, value: Any, path: Path) -> tuple[Any, Any]:
    *parents, last = key.split(".")
    block = data
    for part in parents:
        block = block.get(part) if isinstance(block, MutableMapping) else None
    if not isinstance(block, MutableMapping) or last not in block:
        close = difflib.get_close_matches(key, list(_keys(data)), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "the file shows the existing keys"
        raise WorkflowError(f"{path}: no key '{key}'; {hint}")
    was = block[last]
    if not _same_kind(was, value):
        raise WorkflowError(
            f"{path}: '{key}' is {mask_value(key, was)!r} ({type(was).__name__}), "
            f"it cannot become {mask_value(key, value)!r} ({type(value).__name__})"
            + (f"; if any number is allowed, write {was}.0 in the file" if _only_whole(was, value) else "")
        )
    block[last] = value = _as_kind(was, value)
    return was, value


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


def _only_whole(was: Any, now: Any) -> bool:
    return type(was) is int and isinstance(now, float)


def _as_kind(was: Any, now: Any) -> Any:
    """Return a number as the type of the old number, so that a float stays a float."""
    if isinstance(now, bool) or not isinstance(now, int | float):
        return now
    if isinstance(was, float):
        return float(now)
    return int(now) if isinstance(was, int) and not isinstance(was, bool) else now
