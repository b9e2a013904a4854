"""Description of params: key, value, type, range and meaning."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from statewright.fingerprint import Sources
from statewright.functions.checks import own_package, params_blocks, read_signature
from statewright.masking import mask_value
from statewright.workflow import Stage, Workflow, flatten

_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of"}
_LENGTHS = {"min_length": "at least", "max_length": "at most"}


@dataclass(frozen=True)
class Parameter:
    """One value of a params file.

    Parameters
    ----------
    file, key : str
        File and dotted key, such as ``params.yaml`` and ``train.lr``.
    value : Any
        Value in the file, without secrets.
    type, range, meaning : str
        From the params model of the stage. Without a model, the type is that of the value and the others
        are empty.
    stages : tuple of str
        The stages that read it.
    """

    file: str
    key: str
    value: Any
    type: str
    range: str
    meaning: str
    stages: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, for JSON."""
        return {**vars(self), "stages": list(self.stages)}


def describe_params(root: Path, workflow: Workflow, addresses: Iterable[str]) -> list[Parameter]:
    """Return the parameters that stages read, grouped by block."""
    sources = Sources(root)
    readers: dict[tuple[str, str], list[str]] = {}
    models: dict[tuple[str, str], type[BaseModel]] = {}
    for address in addresses:
        stage = workflow.stages[address]
        for file, keys in stage.params.items():
            if _is_output(file, workflow):
                continue  # such as data/code.json, the fingerprints of the code
            for key in keys or workflow.params.get(file, {}):
                readers.setdefault((file, key), []).append(address)
        models.update(_models(root, sources, stage))
    described = []
    for (file, block), stages in readers.items():
        fields = dict(_fields(models.get((file, block)), block))
        for key, value in _leaves(workflow.params.get(file, {}).get(block), block, fields):
            kind, allowed, meaning = fields.get(key, (type(value).__name__, "", ""))
            shown = mask_value(key, value)
            described.append(Parameter(file, key, shown, kind, allowed, meaning, tuple(stages)))
    return described


def _is_output(file: str, workflow: Workflow) -> bool:
    return any(file == out.path for stage in workflow.stages.values() for out in stage.outs)


def _models(root: Path, sources: Sources, stage: Stage) -> Iterator[tuple[tuple[str, str], type[BaseModel]]]:
    """Yield the params model of each block that a stage function reads."""
    package = own_package(stage, root)
    signature = read_signature(sources, stage.address, package) if package else None
    for key, model in params_blocks(root, stage, signature) if signature else ():
        yield ("params.yaml", key), model


def _leaves(value: Any, block: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a block by dotted key; a field that is a mapping stays one."""
    if block in fields or not isinstance(value, Mapping):
        yield block, value
        return
    for key, item in value.items():
        name = f"{block}.{key}"
        if name in fields:
            yield name, item
        elif isinstance(item, Mapping) and any(field.startswith(f"{name}.") for field in fields):
            yield from _leaves(item, name, fields)
        else:
            yield from flatten(item, name)


def _fields(model: type[BaseModel] | None, prefix: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield dotted key and (type, range, meaning) of each field, nested ones too."""
    for name, field in (model.model_fields if model else {}).items():
        key = f"{prefix}.{name}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _fields(annotation, key)
        else:
            yield key, (_type_name(annotation), _range(field), field.description or "")


def _type_name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin is typing.Literal:
        return " | ".join(map(repr, arguments))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_name(argument) for argument in arguments)
    if annotation is type(None):
        return "null"
    if annotation is Ellipsis:
        return "..."
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_type_name, arguments))}]"
    return getattr(annotation, "__name__", str(annotation))


def _range(field: FieldInfo) -> str:
    parts = []
    for bound in _bounds(field):
        parts += [f"{sign} {getattr(bound, name)}" for name, sign in _BOUNDS.items() if _has(bound, name)]
        parts += [
            f"{words} {getattr(bound, name)} items" for name, words in _LENGTHS.items() if _has(bound, name)
        ]
    return ", ".join(parts)


def _bounds(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    for argument in typing.get_args(field.annotation):
        if typing.get_origin(argument) is typing.Annotated:
            yield from typing.get_args(argument)[1:]


def _has(bound: Any, name: str) -> bool:
    return getattr(bound, name, None) is not None
