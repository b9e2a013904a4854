"""Read a YAML file that a user writes, with the lines for messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap

from statewright.workflow import WorkflowError


def load_mapping(path: Path, shown: str, *, option: str, content: str, example: str) -> CommentedMap:
    """Return the mapping in a YAML file; tags construct no Python objects.

    Parameters
    ----------
    shown : str
        The file as messages name it.
    option : str
        Option that names the file, such as ``--space``.
    content : str
        Contents in words, such as "params to search".
    example : str
        The end of messages: which lines are expected.

    Raises
    ------
    WorkflowError
        If the file is missing, is not valid YAML, or holds no mapping; with the line.
    """
    try:
        declared = YAML().load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorkflowError(f"{option} {shown}: the file does not exist; {example}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise WorkflowError(f"{option} {shown}: cannot be read: {error}") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split("\n")[0].split())
        raise WorkflowError(f"{shown}{line}: not valid YAML: {problem}; fix the file") from error
    if not isinstance(declared, CommentedMap) or not declared:
        raise WorkflowError(f"{shown}, line 1: no {content}; {example}")
    return declared


def plain(value: Any) -> Any:
    """Return a value without the comments of its file."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def line_of(declared: Any, path: tuple[str | int, ...]) -> int:
    """Return the line, from 1, of the innermost step of `path` in the file."""
    line = 1
    for step in path:
        try:
            lines = declared.lc
            position = lines.key(step) if isinstance(declared, CommentedMap) else lines.item(step)
            declared = declared[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
        line = position[0] + 1
    return line
