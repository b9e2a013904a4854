"""Change params files by typed patches; YAML and TOML keep their comments and their order."""

from __future__ import annotations

import difflib
import io
import json
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


DEFAULT_FILE = "params.yaml"


def assigned(root: Path, assignments: Iterable[str]) -> dict[str, tuple[list[Patch], str]]:
    """The params files that ``KEY=VALUE`` and ``FILE:KEY=VALUE`` change, with their patches and new texts.

    Nothing is written. A file stands for its path from `root`; without one, `params.yaml` is meant.

    Raises
    ------
    WorkflowError
        Naming the file, the key and what was expected.
    """
    changes: dict[str, list[tuple[str, Any]]] = {}
    for text in assignments:
        key, value = parse_assignment(text)
        file, _, name = key.rpartition(":")
        changes.setdefault(Path(file or DEFAULT_FILE).as_posix(), []).append((name, value))
    return {file: patched(root / file, wanted) for file, wanted in changes.items()}


def assign(root: Path, assignments: Iterable[str]) -> list[tuple[str, Patch]]:
    """Write what `assigned` says, all of it or, where one is wrong, nothing; the file and patch of each."""
    found = assigned(root, assignments)
    for file, (patches, text) in found.items():
        if patches:
            with replacing(root / file) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return [(file, patch) for file, (patches, _) in found.items() for patch in patches]


def apply(path: Path, changes: Iterable[tuple[str, Any]]) -> list[Patch]:
    """Write changes into a params file and return those that changed something.

    A value must be of the kind that it replaces (a whole number may stand for a float, and is
    written as one), and the key must be there: a misspelt key is an error, not a new parameter.

    Raises
    ------
    WorkflowError
        Naming the file, the key and what was expected; the file is then as it was.
    """
    patches, text = patched(path, changes)
    if patches:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return patches


def preview(path: Path, changes: Iterable[tuple[str, Any]]) -> list[Patch]:
    """What `apply` would change, without changing it."""
    return patched(path, changes)[0]


def patched(path: Path, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    """What `apply` would change, and the text that the file would then hold."""
    if not path.is_file():
        raise WorkflowError(f"{path}: there is no such params file; expected FILE:KEY=VALUE or KEY=VALUE")
    forms = {".json": _patched_json, ".toml": _patched_toml, ".yaml": _patched_yaml, ".yml": _patched_yaml}
    if path.suffix not in forms:
        raise WorkflowError(
            f"{path}: values can be set in .yaml, .json and .toml files; edit this one by hand"
        )
    try:
        return forms[path.suffix](path, path.read_text(encoding="utf-8"), changes)
    except WorkflowError:
        raise
    except (YAMLError, ValueError) as error:
        raise WorkflowError(f"{path}: expected {path.suffix[1:]}: {error}; fix the file") from error


def _patched_yaml(path: Path, text: str, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _represent_null)
    data = yaml.load(text) or {}
    patches = _set_all(data, changes, path)
    written = io.StringIO()
    yaml.dump(data, written)
    return patches, written.getvalue()


def _patched_json(path: Path, text: str, changes: Iterable[tuple[str, Any]]) -> tuple[list[Patch], str]:
    data = json.loads(text)
    patches = _set_all(data, changes, path)
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
    patches = []
    for key, value in changes:
        was, now = _set(data, key, value, path)
        if was != now:
            patches.append(Patch(key=key, was=was, now=now))
    return patches


def _represent_null(representer: Any, _: None) -> Any:
    """Write ``null``, where ruamel would leave the value out."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _set(data: Any, key: str, value: Any, path: Path) -> tuple[Any, Any]:
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
            + (f"; if it may be any number, write {was}.0 there" if _only_whole(was, value) else "")
        )
    place[last] = value = _as_kind(was, value)
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
    """A number as the kind that it replaces, lest a float that is whole for once stays an integer."""
    if isinstance(now, bool) or not isinstance(now, int | float):
        return now
    if isinstance(was, float):
        return float(now)
    return int(now) if isinstance(was, int) and not isinstance(was, bool) else now
