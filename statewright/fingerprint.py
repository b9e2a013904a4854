"""Function -> hash of the code that it reaches.

A stage ``P-F`` is the function ``F`` in ``tasks/P/F.py`` (or in ``tasks/P.py``). From its
definition this module follows every name that resolves to a definition of ours (functions,
classes, constants, across modules, imports inside functions too) and hashes each definition as
the parser sees it: comments, docstrings and formatting do not count.

It reads the source as text and imports nothing, so it is fast and cannot be misled by what a
module does when imported. A name reached only through a string (``getattr``) is not seen,
and ``from x import *`` is refused.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class FingerprintError(ValueError):
    """Source code cannot be read; the message names the file and line."""


@dataclass(frozen=True)
class Definition:
    """One top-level name of a module: where it stands and its syntax tree.

    The tree of a name that several statements bind or fill is a `Module` of those statements.
    """

    module: str
    name: str
    node: ast.AST

    @property
    def label(self) -> str:
        """``tasks/pipeline/train:train``: the name under which it is reported."""
        return f"{self.module.replace('.', '/')}:{self.name}"


@dataclass(frozen=True)
class Module:
    """A parsed module of ours: its definitions, and its imports as name -> dotted target."""

    name: str
    definitions: Mapping[str, Definition]
    imports: Mapping[str, str]
    is_package: bool


class Sources:
    """The modules of ours below `root`, parsed when first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.module = cache(self._module)
        self.reached = cache(self._reached)

    def _module(self, name: str) -> Module | None:
        base = self.root.joinpath(*name.split("."))
        package = (base / "__init__.py").is_file()
        path = base / "__init__.py" if package else base.with_suffix(".py")
        if not path.is_file():
            return None
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        except (SyntaxError, UnicodeDecodeError) as error:
            raise FingerprintError(f"{path.relative_to(self.root)} cannot be parsed: {error}") from error
        imports = dict(_imports(name, package, tree))
        if "*" in imports:
            raise FingerprintError(
                f"{path.relative_to(self.root)}: `import *` hides what a stage uses; name what is imported"
            )
        return Module(name, _definitions(name, tree), imports, package)

    def find(self, dotted: str, seen: frozenset[str] = frozenset()) -> Definition | None:
        """The definition that ``package.module.name`` leads to, through re-exports."""
        module_name, _, name = dotted.rpartition(".")
        module = self.module(module_name) if module_name else None
        if module is None or not name:
            return None
        if name in module.definitions:
            return module.definitions[name]
        target = module.imports.get(name)
        seen |= {dotted}
        return self.find(target, seen) if target and target not in seen else None

    def _reached(self, definition: Definition) -> tuple[Definition, ...]:
        """The definitions of ours that one definition names."""
        module = self.module(definition.module)
        if module is None:
            return ()
        names = {**module.imports, **dict(_imports(module.name, module.is_package, definition.node))}
        found = []
        for dotted in _mentioned(definition.node):
            head, *rest = dotted.split(".")
            if head in module.definitions and head != definition.name:
                found.append(module.definitions[head])
            if head in names:
                found += _along(self, names[head], rest)
        return tuple(found)


def stage_function(stage: str, package: str = "tasks") -> tuple[str, ...]:
    """Dotted names under which the function of `stage` may stand, the first found wins."""
    pipeline, _, function = stage.partition("-")
    function = function.replace("-", "_")
    return f"{package}.{pipeline}.{function}.{function}", f"{package}.{pipeline}.{function}"


def fingerprints(root: Path, package: str = "tasks") -> dict[str, dict[str, str]]:
    """For every stage function below `package`, label -> hash of each definition it reaches.

    Raises
    ------
    FingerprintError
        If a file of ours does not parse.
    """
    sources = Sources(root)
    found = {}
    hashed = cache(_hash)
    for stage, definition in sorted(_stages(sources, package), key=lambda pair: pair[0]):
        found[stage] = {
            reached.label: hashed(reached.node)
            for reached in sorted(closure(sources, definition), key=lambda d: d.label)
        }
    return found


def _stages(sources: Sources, package: str) -> Iterator[tuple[str, Definition]]:
    for path in sorted((sources.root / package).glob("*/*.py")):
        definition = sources.find(f"{package}.{path.parent.name}.{path.stem}.{path.stem}")
        if definition and isinstance(definition.node, ast.FunctionDef):
            yield f"{path.parent.name}-{path.stem.replace('_', '-')}", definition
    for path in sorted((sources.root / package).glob("*.py")):
        module = sources.module(f"{package}.{path.stem}")
        if module is None or path.stem.startswith("_"):
            continue
        for name, definition in module.definitions.items():
            if isinstance(definition.node, ast.FunctionDef) and not name.startswith("_"):
                yield f"{path.stem}-{name.replace('_', '-')}", definition


def closure(sources: Sources, start: Definition) -> set[Definition]:
    """`start` and every definition of ours that it reaches."""
    found: set[Definition] = set()
    waiting = [start]
    while waiting:
        definition = waiting.pop()
        if definition not in found:
            found.add(definition)
            waiting += sources.reached(definition)
    return found


def _along(sources: Sources, target: str, rest: list[str]) -> Iterator[Definition]:
    """The first definition on the way from an imported name along its attributes."""
    for part in [None, *rest]:
        target = target if part is None else f"{target}.{part}"
        definition = sources.find(target)
        if definition:
            yield definition
            return


def _mentioned(node: ast.AST) -> set[str]:
    """Dotted names read anywhere in `node`, annotations in quotes too."""
    found = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            found.add(child.id)
        elif isinstance(child, ast.Attribute):
            parts = [child.attr]
            value = child.value
            while isinstance(value, ast.Attribute):
                parts.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name):
                found.add(".".join([value.id, *reversed(parts)]))
        for annotation in (getattr(child, "annotation", None), getattr(child, "returns", None)):
            found |= _mentioned_in_quotes(annotation)
    return found


def _mentioned_in_quotes(annotation: ast.AST | None) -> set[str]:
    found = set()
    for part in ast.walk(annotation) if annotation else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            with suppress(SyntaxError):
                found |= _mentioned(ast.parse(part.value, mode="eval"))
    return found


def _definitions(module: str, tree: ast.Module) -> dict[str, Definition]:
    found: dict[str, list[ast.stmt]] = {}
    for node in _statements(tree):
        for name in dict.fromkeys(_bound(node)):
            found.setdefault(name, []).append(node)
    return {
        name: Definition(module, name, nodes[0] if len(nodes) == 1 else ast.Module(nodes, []))
        for name, nodes in found.items()
    }


def _statements(block: ast.AST) -> Iterator[ast.stmt]:
    """Statements at the top level of a module, those under ``if`` and ``try`` too."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _statements(node)


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement defines, assigns to, or fills (``A[k] = v``, ``A.append(v)``)."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Assign | ast.Tuple | ast.List):
        for target in node.targets if isinstance(node, ast.Assign) else node.elts:
            yield from _bound(target)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield from _bound(node.target)
    elif isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
        yield from _bound(node.value)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _bound(node.value.func) if isinstance(node.value.func, ast.Attribute) else ()


def _imports(module: str, is_package: bool, tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, is_package, node)
            for alias in node.names:
                yield alias.asname or alias.name, f"{base}.{alias.name}"


def _base(module: str, is_package: bool, node: ast.ImportFrom) -> str:
    """The module that ``from ... import`` names, relative imports resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*parts, node.module] if node.module else parts)


def _hash(node: ast.AST) -> str:
    """Hash of the code of a definition as the parser sees it, without docstrings."""
    text = ast.unparse(_WithoutDocstrings().visit(ast.parse(ast.unparse(node))))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _WithoutDocstrings(ast.NodeTransformer):
    """Drop strings that stand alone (docstrings, notes below a field), and ``pass``."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop a string that stands alone."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else node

    def visit_Pass(self, node: ast.Pass) -> None:
        """Drop what may stand where a docstring was."""
        return
