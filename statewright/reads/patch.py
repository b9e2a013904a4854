"""Additions to the `deps:` of stages in a `dvc.yaml`; every other byte stays.

The parser gives the positions of the nodes, and lines or words are inserted between them. An addition
that cannot be made in place, or that would change anything else, is left to the user.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


def add_deps(text: str, stage: str, deps: Sequence[str]) -> str | None:
    """Return the text of a `dvc.yaml` with more dependencies of a stage.

    The result is None if they cannot be added in place.

    Parameters
    ----------
    stage : str
        Name in the file; of a stage with `foreach` or `matrix`, the part before the ``@``.
    """
    root = YAML().compose(text)
    declaration = _child(_child(root, "stages"), stage)
    body = _child(declaration, "do") or declaration
    if not isinstance(body, MappingNode) or not _is_written_in(body, declaration):
        return None
    existing = _child(body, "deps")
    if existing is not None and not _is_written_in(existing, body):
        return None  # an alias: the list belongs to other stages, too
    if existing is None:
        changed = _with_new_list(text, body, deps)
    elif isinstance(existing, SequenceNode) and existing.value:
        changed = _with_longer_list(text, existing, deps)
    else:
        changed = None
    return changed if changed is not None and _adds_only(text, changed, stage, deps) else None


def unified_diff(before: str, after: str, path: str) -> str:
    """Return a patch that ``git apply`` accepts."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _child(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _is_written_in(node: Node, parent: Node | None) -> bool:
    """Return whether a node is written inside its parent, and is no alias."""
    return (
        parent is not None
        and parent.start_mark.index <= node.start_mark.index
        and node.end_mark.index <= parent.end_mark.index
    )


def _with_longer_list(text: str, existing: SequenceNode, deps: Sequence[str]) -> str | None:
    last = existing.value[-1]
    if existing.flow_style:
        at = last.end_mark.index
        return text[:at] + "".join(f", {_scalar(dep)}" for dep in deps) + text[at:]
    if not isinstance(last, ScalarNode) or last.style in ("|", ">"):
        return None
    column = existing.value[0].start_mark.column
    line = text.rfind("\n", 0, existing.value[0].start_mark.index) + 1
    bullet = text[line : line + column]  # the indentation with the dash, as the first item has it
    if bullet.strip() != "-":
        return None
    return _insert_lines(text, last.end_mark.index, [f"{bullet}{_scalar(dep)}" for dep in deps])


def _with_new_list(text: str, body: MappingNode, deps: Sequence[str]) -> str | None:
    command = next(((name, value) for name, value in body.value if name.value == "cmd"), None)
    if command is None:
        return None
    name, value = command
    if body.flow_style:
        at = value.end_mark.index
        return f"{text[:at]}, deps: [{', '.join(map(_scalar, deps))}]{text[at:]}"
    indent = " " * name.start_mark.column
    lines = [f"{indent}deps:", *(f"{indent}- {_scalar(dep)}" for dep in deps)]
    if isinstance(value, ScalarNode) and value.style not in ("|", ">"):
        return _insert_lines(text, value.end_mark.index, lines)
    # The end of a block is not marked exactly, so the list goes before the command.
    start = text.rfind("\n", 0, name.start_mark.index) + 1
    if text[start : name.start_mark.index].strip():
        return None
    return text[:start] + "".join(f"{line}{_newline(text)}" for line in lines) + text[start:]


def _insert_lines(text: str, after: int, lines: Sequence[str]) -> str:
    """Insert lines after the line that holds a position."""
    newline, end = _newline(text), text.find("\n", after)
    if end < 0:
        return text + "".join(f"{newline}{line}" for line in lines)
    return text[: end + 1] + "".join(f"{line}{newline}" for line in lines) + text[end + 1 :]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _scalar(value: str) -> str:
    """Return a path as YAML that is valid in brackets; DVC would replace a ``${``."""
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.width = 1 << 20
    yaml.allow_unicode = True
    written = io.StringIO()
    yaml.dump([value.replace("${", "\\${")], written)
    return written.getvalue().strip().removeprefix("[").removesuffix("]")


def _adds_only(before: str, after: str, stage: str, deps: Sequence[str]) -> bool:
    """Return whether the new text differs by the new dependencies only."""
    try:
        expected, changed = (_plain(text) for text in (before, after))
    except YAMLError:
        return False
    declaration = expected["stages"][stage]
    body = declaration.get("do", declaration)
    body["deps"] = [*body.get("deps", []), *(dep.replace("${", "\\${") for dep in deps)]
    return bool(expected == changed)


def _plain(text: str) -> Mapping[str, Any]:
    return YAML(typ="safe").load(text)
