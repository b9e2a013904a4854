"""Fingerprints: hashes of the code that a stage function uses.

A stage ``P-F`` is the function ``F`` in ``tasks/P/F.py`` (or in ``tasks/P.py``). Starting from its
definition, this module follows each name that resolves to a definition in the repository
(functions, classes, constants, across modules, imports inside functions too). It hashes the syntax
tree of each definition, so comments, docstrings and formatting do not count.

The source is parsed and never imported. This is fast, and side effects of imports cannot change the
result. A name that occurs only in a string (``getattr``) is not followed, and ``from x import *``
is an error.
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
    """Error in source code; the message names the file and the line."""


@dataclass(frozen=True)
class Definition:
    """Top-level name of a module, with its syntax tree.

    If several statements bind or fill the name, the tree is a `Module` of these statements.
    """

    module: str
    name: str
    node: ast.AST

    @property
    def label(self) -> str:
        """Name in reports, such as ``tasks/pipeline/train:train``."""
        return f"{self.module.replace('.', '/')}:{self.name}"


@dataclass(frozen=True)
class Module:
    """Parsed module: its definitions, and its imports as name -> dotted target."""

    name: str
    definitions: Mapping[str, Definition]
    imports: Mapping[str, str]
    is_package: bool


class Sources:
    """Modules below `root`, each parsed on first use."""

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
                f"{path.relative_to(self.root)}: `import *` hides the names that a stage uses; "
                "import each name explicitly"
            )
        return Module(name, _definitions(name, tree), imports, package)

    def find(self, dotted: str, visited: frozenset[str] = frozenset()) -> Definition | None:
        """Return the definition of ``package.module.name``, through re-exports."""
        module_name, _, name = dotted.rpartition(".")
        module = self.module(module_name) if module_name else None
        if module is None or not name:
            return None
        if name in module.definitions:
            return module.definitions[name]
        target = module.imports.get(name)
        visited |= {dotted}
        return self.find(target, visited) if target and target not in visited else None

    def _reached(self, definition: Definition) -> tuple[Definition, ...]:
        """Return the definitions in the repository that one definition names."""
        module = self.module(definition.module)
        if module is None:
            return ()
        names = {**module.imports, **dict(_imports(module.name, module.is_package, definition.node))}
        reached = []
        for dotted in _mentioned(definition.node):
            head, *rest = dotted.split(".")
            if head in module.definitions and head != definition.name:
                reached.append(module.definitions[head])
            if head in names:
                reached += _along(self, names[head], rest)
        return tuple(reached)


def stage_function(stage: str, package: str = "tasks") -> tuple[str, ...]:
    """Return the dotted names of the function of `stage`, in order of precedence.

    All cells of a matrix have the function of their declaration: the part after the ``@`` does not count.
    """
    pipeline, _, function = stage.partition("@")[0].partition("-")
    function = function.replace("-", "_")
    return f"{package}.{pipeline}.{function}.{function}", f"{package}.{pipeline}.{function}"


def fingerprints(root: Path, package: str = "tasks") -> dict[str, dict[str, str]]:
    """Return the hashes of the definitions that each stage function reaches.

    `dvc.lock` repeats them for each cell of a matrix. So a function that takes a `cell` has one hash for each
    module, labelled ``module:*``.

    Returns
    -------
    dict of str to dict of str to str
        Stage -> label of a definition -> hash.

    Raises
    ------
    FingerprintError
        If a file cannot be parsed.
    """
    sources = Sources(root)
    hashes = {}
    hashed = cache(_hash)
    for stage, definition in sorted(_stages(sources, package), key=lambda pair: pair[0]):
        labelled = {
            reached.label: hashed(reached.node)
            for reached in sorted(closure(sources, definition), key=lambda d: d.label)
        }
        hashes[stage] = _by_module(labelled) if _takes_cell(definition.node) else labelled
    return hashes


def _takes_cell(function: ast.AST) -> bool:
    return isinstance(function, ast.FunctionDef) and "cell" in {
        argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)
    }


def _by_module(hashes: Mapping[str, str]) -> dict[str, str]:
    """Return one hash for each module of labelled definitions."""
    modules: dict[str, list[str]] = {}
    for label, value in hashes.items():
        modules.setdefault(label.partition(":")[0], []).append(f"{label} {value}")
    return {
        f"{module}:*": hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
        for module, lines in modules.items()
    }


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
    """Return `start` and all definitions in the repository that it reaches."""
    reached: set[Definition] = set()
    waiting = [start]
    while waiting:
        definition = waiting.pop()
        if definition not in reached:
            reached.add(definition)
            waiting += sources.reached(definition)
    return reached


def _along(sources: Sources, target: str, rest: list[str]) -> Iterator[Definition]:
    """Yield the first definition on the path from an imported name along attributes."""
    for part in [None, *rest]:
        target = target if part is None else f"{target}.{part}"
        definition = sources.find(target)
        if definition:
            yield definition
            return


def _mentioned(node: ast.AST) -> set[str]:
    """Return the dotted names in `node`, including quoted annotations."""
    names = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            names.add(child.id)
        elif isinstance(child, ast.Attribute):
            parts = [child.attr]
            value = child.value
            while isinstance(value, ast.Attribute):
                parts.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name):
                names.add(".".join([value.id, *reversed(parts)]))
        for annotation in (getattr(child, "annotation", None), getattr(child, "returns", None)):
            names |= _mentioned_in_quotes(annotation)
    return names


def _mentioned_in_quotes(annotation: ast.AST | None) -> set[str]:
    names = set()
    for part in ast.walk(annotation) if annotation else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            with suppress(SyntaxError):
                names |= _mentioned(ast.parse(part.value, mode="eval"))
    return names


def _definitions(module: str, tree: ast.Module) -> dict[str, Definition]:
    statements: dict[str, list[ast.stmt]] = {}
    for node in _statements(tree):
        for name in dict.fromkeys(_bound(node)):
            statements.setdefault(name, []).append(node)
    return {
        name: Definition(module, name, nodes[0] if len(nodes) == 1 else ast.Module(nodes, []))
        for name, nodes in statements.items()
    }


def _statements(block: ast.AST) -> Iterator[ast.stmt]:
    """Yield the top-level statements of a module, also those in ``if`` and ``try``."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _statements(node)


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield names that a statement binds or fills (``A[k] = v``, ``A.append(v)``)."""
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
    """Return the absolute name of the module in ``from ... import``."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*parts, node.module] if node.module else parts)


def _hash(node: ast.AST) -> str:
    """Return the hash of a definition's syntax tree without docstrings."""
    text = ast.unparse(_WithoutDocstrings().visit(ast.parse(ast.unparse(node))))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class _WithoutDocstrings(ast.NodeTransformer):
    """Remover of string statements (docstrings, notes below a field) and ``pass``."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Remove a string statement."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else node

    def visit_Pass(self, node: ast.Pass) -> None:
        """Remove ``pass``, which can replace a docstring."""
        return
