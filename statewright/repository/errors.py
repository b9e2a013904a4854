"""What DVC complains of, as one text with the file and, where it can be known, the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statewright.workflow import WorkflowError


@contextmanager
def translate_errors(subject: str = "") -> Iterator[None]:
    """Turn whatever DVC raises inside the block into a `WorkflowError` with its words.

    Broken files make DVC fail in many ways, not all of them errors of its own (a list where a
    mapping belongs is an `AttributeError`): to the person who wrote the file they are all one.
    """
    try:
        yield
    except WorkflowError:
        raise
    except Exception as error:
        raise WorkflowError(f"{subject}: {explain(error)}" if subject else explain(error)) from error


def explain(error: BaseException) -> str:
    """An error of DVC with its causes, as one text that says where."""
    if isinstance(errors := getattr(getattr(error, "exc", None), "errors", None), list):
        return "\n".join([f"{error}:", *(f"  {_violation(error, item)}" for item in errors)])
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = _words(cause)
        if not any(text in part for part in parts):
            parts.append(text)
        if "failed to parse" in text:
            # DVC has put all that there is to know in this one; below it are dumps of the params
            return ": ".join(parts) + _line_of(text)
        cause = cause.__cause__
    return ": ".join(parts)


def _words(error: BaseException) -> str:
    """The message; for an error that is not DVC's own also its kind, which is half of what it says."""
    text = str(error)
    # ruamel says how to switch the check off in Python, which is no help to who wrote the file
    text = text.partition("\n\nTo suppress this check")[0]
    if type(error).__module__ == "builtins" and not isinstance(error, OSError):
        return f"{type(error).__name__}: {text}"
    return text or type(error).__name__


def _violation(error: BaseException, item: Any) -> str:
    """One violation of DVC's schema: what, under which keys, in which line."""
    line = line_of(getattr(error, "text", ""), item.path)
    where = " -> ".join(str(key) for key in item.path)
    return item.error_message + (f", in {where}" if where else "") + (f", line {line}" if line else "")


def _line_of(text: str) -> str:
    """For "failed to parse 'stages.a.cmd' in 'dvc.yaml'": where that key stands, if it can be found."""
    found = re.search(r"failed to parse (?:stage )?'(?P<keys>[^']+)' .*?in '(?P<file>[^']+)'", text)
    if not found or not (path := Path(found["file"])).is_file():
        return ""
    keys = found["keys"].partition("@")[0].split(".")
    keys = keys if keys[0] in ("stages", "vars") else ["stages", *keys]
    line = line_of(path.read_text(encoding="utf-8", errors="replace"), keys)
    return f" ({path}, line {line})" if line else ""


def line_of(text: str, keys: Sequence[Any]) -> int | None:
    """The line of a YAML text, from 1, on which the entry under `keys` or its nearest parent stands."""
    from ruamel.yaml import YAML, YAMLError

    try:
        node = YAML(typ="rt").load(text)
    except YAMLError:
        return None
    line = None
    for key in keys:
        place = getattr(node, "lc", None)
        try:
            line = (place.item(key) if isinstance(key, int) else place.key(key))[0] + 1  # type: ignore[union-attr]
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line
