"""Replacement of single values in YAML or JSON text; every other byte stays.

The parser gives the start and the end of a value, and the text between them is replaced. A value without
such a range (a block list, a value with an anchor or an alias) is left to the caller.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString


def replace_value(
    text: str, key: Sequence[str], value: Any, dump: Callable[[Any], str] | None = None
) -> str | None:
    """Return `text` with one value replaced, or None if that cannot be done in place.

    Parameters
    ----------
    text : str
        YAML or JSON.
    key : sequence of str
        The path of the value.
    dump : callable, optional
        Writer of the new value (default: as YAML, with the quotes of the old value).
    """
    node = _find(YAML().compose(text), key)
    if node is None or not _is_inline(node, text):
        return None
    start, end = node.start_mark.index, node.end_mark.index
    return text[:start] + (dump(value) if dump else _inline(value, node)) + text[end:]


def _find(node: Node | None, key: Sequence[str]) -> Node | None:
    for part in key:
        if not isinstance(node, MappingNode):
            return None
        node = next((child for name, child in node.value if name.value == part), None)
    return node


def _is_inline(node: Node, text: str) -> bool:
    """Return whether a value is a one-line scalar or a collection in brackets."""
    start, end = node.start_mark.index, node.end_mark.index
    if start == end or text[start] in "&*!":
        return False
    if isinstance(node, ScalarNode):
        return node.style not in ("|", ">") and "\n" not in text[start:end]
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _inline(value: Any, node: Node) -> str:
    """Return a value as YAML that is valid in brackets, with the old value's quotes."""
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.width = 1 << 20
    yaml.allow_unicode = True
    yaml.representer.add_representer(type(None), represent_null)
    if isinstance(value, str) and isinstance(node, ScalarNode) and node.style in ("'", '"'):
        value = (SingleQuotedScalarString if node.style == "'" else DoubleQuotedScalarString)(value)
    written = io.StringIO()
    yaml.dump({"k": value}, written)
    text = written.getvalue().strip().removeprefix("{").removesuffix("}").partition(":")[2].strip()
    # libyaml, with which DVC reads, rejects a colon in a text without quotes in brackets, as in a URL.
    quoted = json.dumps(value, ensure_ascii=False, default=str)
    return text if _is_read_as(text, value) or not _is_read_as(quoted, value) else quoted


def _is_read_as(text: str, value: Any) -> bool:
    """Return whether DVC's parser reads a text in brackets as a value."""
    try:
        return bool(YAML(typ="safe").load(f"{{k: {text}}}")["k"] == value)
    except YAMLError:
        return False


def represent_null(representer: Any, _: None) -> Any:
    """Write ``null``, because ruamel writes an empty value by default."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")
