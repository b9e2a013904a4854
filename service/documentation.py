"""A page that describes the HTTP API, without scripts and without other hosts.

The page of FastAPI loads its scripts from a content delivery network, so it is empty without a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent / "templates"
HIDDEN_TYPES = ("ErrorResponse", "HTTPValidationError", "ValidationError")


@dataclass(frozen=True)
class FieldText:
    """A field of a request or of a type, in words."""

    name: str
    type: str | Markup
    required: bool
    description: str


@dataclass(frozen=True)
class Operation:
    """A method of a path.

    Attributes
    ----------
    method, path, summary, description : str
    example : str
        A command that calls it, or "".
    media_type : str
    fields : tuple of FieldText
        Fields of the request.
    answer : str
        Name of the type of the response, or "".
    errors : tuple of str
        Status codes.
    """

    method: str
    path: str
    summary: str
    description: str
    example: str
    media_type: str
    fields: tuple[FieldText, ...]
    answer: str
    errors: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The identifier of its section."""
        return f"{self.method}{self.path.replace('/', '-')}".lower()


@dataclass(frozen=True)
class TypeText:
    """A type of the API, in words."""

    name: str
    description: str
    fields: tuple[FieldText, ...]


def documentation_page(schema: Mapping[str, Any], address: str) -> str:
    """Return the HTML page of an OpenAPI description.

    `address` is that of the service, for the commands on the page.

    Every text of the description is escaped.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    types = schema.get("components", {}).get("schemas", {})
    shown = (
        TypeText(name, str(kind.get("description", "")), tuple(_fields(kind, types)))
        for name, kind in sorted(types.items())
        if name not in HIDDEN_TYPES and not name.startswith("Body_")
    )
    return environment.get_template("documentation.html.j2").render(
        title=schema["info"]["title"],
        summary=schema["info"].get("summary", ""),
        operations=list(_operations(schema, types, address.rstrip("/"))),
        types=list(shown),
    )


def _operations(schema: Mapping[str, Any], types: Mapping[str, Any], address: str) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            media_type, body = _content(operation.get("requestBody", {}))
            kind = types.get(_name(body.get("schema", {})), {})
            success: Mapping[str, Any] = next(
                (r for code, r in operation["responses"].items() if code.startswith("2")), {}
            )
            _, answer = _content(success)
            yield Operation(
                method=method.upper(),
                path=path,
                summary=operation.get("summary", ""),
                description=operation.get("description", ""),
                example=_example(method, f"{address}{path}", media_type, kind),
                media_type=media_type,
                fields=tuple(_fields(kind, types)),
                answer=_name(answer.get("schema", {})),
                errors=tuple(code for code in operation["responses"] if code.startswith(("4", "5"))),
            )


def _content(message: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the first media type of a request or response, and its description."""
    return next(iter(message.get("content", {}).items()), ("", {}))


def _fields(kind: Mapping[str, Any], types: Mapping[str, Any]) -> Iterator[FieldText]:
    for name, field in kind.get("properties", {}).items():
        yield FieldText(name, _type(field), name in kind.get("required", ()), field.get("description", ""))


def _type(field: Mapping[str, Any]) -> str | Markup:
    if name := _name(field):
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if "anyOf" in field:
        return Markup(" or ").join(_type(choice) for choice in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(json.dumps(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return Markup("list of {}").format(_type(field.get("items", {})))
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), Mapping):
        return Markup("object of {}").format(_type(field["additionalProperties"]))
    if field.get("contentMediaType") or field.get("format") == "binary":
        return "file"
    return str(field.get("type", "value"))


def _name(field: Mapping[str, Any]) -> str:
    return str(field.get("$ref", "")).rpartition("/")[2]


def _example(method: str, address: str, media_type: str, kind: Mapping[str, Any]) -> str:
    if method == "get":
        return f"curl {address}"
    fields = kind.get("properties", {})
    if media_type == "application/json":
        body = {name: _sample(fields[name]) for name in kind.get("required", ())}
        return f"curl {address} -H 'content-type: application/json' \\\n  -d '{json.dumps(body)}'"
    if media_type == "multipart/form-data":
        parts = [
            f"-F {name}={'@photo.jpg' if _type(fields[name]) == 'file' else _sample(fields[name])}"
            for name in kind.get("required", ())
        ]
        return f"curl {address} {' '.join(parts)}"
    return ""


def _sample(field: Mapping[str, Any]) -> Any:
    if examples := field.get("examples"):
        return examples[0]
    if values := field.get("enum"):
        return values[-1]
    return {"integer": 0, "number": 0.0}.get(field.get("type", ""), "...")
