"""Errors of DVC as one text with the file and, where possible, the line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.stage import Stage as DvcStage

from statewright.files import conflict_in
from statewright.masking import mask_command
from statewright.workflow import WorkflowError


@contextmanager
def translate_errors(subject: str = "") -> Iterator[None]:
    """Turn every exception that DVC raises inside the block into a `WorkflowError`.

    A broken file makes DVC fail in many ways, and not always with its own exceptions: a list
    in place of a mapping is an `AttributeError`. The author of the file needs one kind of error.
    """
    try:
        yield
    except WorkflowError:
        raise
    except Exception as error:
        text = explain(error)
        text = conflict_named_in(text) or text
        raise WorkflowError(f"{subject}: {text}" if subject else text) from error


@contextmanager
def collecting_transfer_errors() -> Iterator[list[BaseException]]:
    """Yield a list that gets the errors of transfers of objects in the block.

    If DVC cannot copy an object, because the disk is full for example, it only logs that.
    """
    errors: list[BaseException] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            errors.append(record.exc_info[1])
        return not record.exc_info

    log = logging.getLogger("dvc_data.hashfile.transfer")
    log.addFilter(collect)
    try:
        yield errors
    finally:
        log.removeFilter(collect)


def conflict_named_in(text: str) -> str:
    """Return a sentence about conflict markers in a file that `text` names."""
    paths = (Path(name) for name in re.findall(r"'([^'\n]+)'", text))
    return next((found for path in paths if path.is_file() and (found := conflict_in(path))), "")


def explain(error: BaseException) -> str:
    """Return the text of an error of DVC with its causes and its location."""
    if isinstance(errors := getattr(getattr(error, "exc", None), "errors", None), list):
        return "\n".join([f"{error}:", *(f"  {_violation(error, item)}" for item in errors)])
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = _message(cause)
        if not any(text in part for part in parts):
            parts.append(text)
        if "failed to parse" in text:
            # This message holds all useful information; the causes below it are dumps of the params.
            return ": ".join(parts) + _line_of(text)
        cause = cause.__cause__
    return ": ".join(parts)


def _message(error: BaseException) -> str:
    """Return the message, after the type if the exception is a builtin one."""
    text = str(error)
    # ruamel explains how to disable the check in Python, which does not help the author of the file.
    text = text.partition("\n\nTo suppress this check")[0]
    if type(error).__name__ == "MissingDataSource":
        return (
            f"{text}; `dvc pull` or `statewright run --pull` fetches it, `dvc checkout` if it is in the cache"
        )
    if type(error).__module__ == "builtins" and not isinstance(error, OSError):
        return f"{type(error).__name__}: {text}"
    return text or type(error).__name__


def _violation(error: BaseException, item: Any) -> str:
    """Describe one violation of DVC's schema with its keys and line."""
    line = line_of(getattr(error, "text", ""), item.path)
    where = " -> ".join(str(key) for key in item.path)
    return item.error_message + (f", in {where}" if where else "") + (f", line {line}" if line else "")


def _line_of(text: str) -> str:
    """Return file and line for "failed to parse 'stages.a.cmd' in 'dvc.yaml'".

    The text is empty if the file or the key does not exist.
    """
    match = re.search(r"failed to parse (?:stage )?'(?P<keys>[^']+)' .*?in '(?P<file>[^']+)'", text)
    if not match or not (path := Path(match["file"])).is_file():
        return ""
    keys = match["keys"].partition("@")[0].split(".")
    keys = keys if keys[0] in ("stages", "vars") else ["stages", *keys]
    line = line_of(path.read_text(encoding="utf-8", errors="replace"), keys)
    return f" ({path}, line {line})" if line else ""


def line_of(text: str, keys: Sequence[Any]) -> int | None:
    """Return the line, from 1, of the entry under `keys` in a YAML text.

    If there is no such entry, the line is that of its nearest parent.
    """
    from ruamel.yaml import YAML, YAMLError

    try:
        node = YAML(typ="rt").load(text)
    except YAMLError:
        return None
    line = None
    for key in keys:
        lines = getattr(node, "lc", None)
        try:
            line = (lines.item(key) if isinstance(key, int) else lines.key(key))[0] + 1  # type: ignore[union-attr]
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def unusable_command(stage: DvcStage) -> str | None:
    """Return a sentence about the first item of `cmd` that is not a text.

    DVC accepts a list of any items, and fails when it starts one that is not a text.
    """
    for number, item in enumerate(stage.cmd if isinstance(stage.cmd, list) else ()):
        if not isinstance(item, str):
            declared = Path(stage.path)
            text = declared.read_text(encoding="utf-8", errors="replace")
            name = str(getattr(stage, "name", "")).partition("@")[0]
            keys = ["cmd", number]
            # Of a stage with `foreach`, the command stands under `do`.
            lines = [line_of(text, ["stages", name, *block, *keys]) or 0 for block in ((), ("do",))]
            where = declared.name + (f", line {max(lines)}" if any(lines) else "")
            kind = f"{item!r}, which is not a text"
            if isinstance(item, dict | list):
                kind = "a mapping" if isinstance(item, dict) else "a list"
            return mask_command(
                f"item {number + 1} of cmd cannot be run ({where}): YAML reads it as {kind}; "
                f"write it in quotes, such as - {_quoted(item)}"
            )
    return None


def _quoted(item: Any) -> str:
    """Return a command in quotes, as it was probably meant."""
    if isinstance(item, dict):
        item = ", ".join(f"{key}: {'' if value is None else value}".rstrip() for key, value in item.items())
    elif isinstance(item, list):
        item = f"[{', '.join(map(str, item))}]"
    return "'" + str(item).replace("'", "''") + "'"
