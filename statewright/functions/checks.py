"""Do the two ends of every edge agree? Answered from the source, before anything runs.

The signatures of stage functions are read as text (nothing heavy is imported); only the small
models of the params blocks are imported, to try the values of ``params.yaml`` on them.
"""

from __future__ import annotations

import ast
import importlib
import shlex
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from statewright.contracts import ContractError, Params, check
from statewright.fingerprint import Definition, Module, Sources, stage_function
from statewright.functions.signature import PREVIOUS, known_by_params, repeated_stems
from statewright.workflow import Output, Stage, Workflow, overlaps


@dataclass(frozen=True)
class Signature:
    """What a stage function takes and returns: names with the contracts they resolve to."""

    where: str
    inputs: Mapping[str, str]
    params: Mapping[str, str]
    outputs: Mapping[str, str]


def faults(root: Path, workflow: Workflow) -> list[str]:
    """Everything in which declaration, signatures, params and files disagree, one sentence each."""
    sources = Sources(root)
    found = list(_path_faults(root, workflow))
    signatures = {}
    for address, stage in workflow.stages.items():
        package = own_package(stage, root)
        if package is None:
            continue
        signature = read_signature(sources, address, package)
        if signature is None:
            found.append(
                f"{address}: none of {' or '.join(stage_function(address, package))} is a function; "
                f"write it, or correct `cmd` in dvc.yaml"
            )
            continue
        signatures[address] = signature
        found += _signature_faults(stage, signature, workflow)
        found += _param_faults(root, stage, signature, workflow)
    found += _edge_faults(sources, workflow, signatures)
    return found


def own_package(stage: Stage, root: Path) -> str | None:
    """The package P of a command ``python -m P STAGE``, if P lies here and STAGE is the stage."""
    for command in stage.cmd:
        words = shlex.split(command)
        if len(words) == 4 and words[1] == "-m" and words[3] == stage.address:
            return words[2] if (root / words[2] / "__main__.py").is_file() else None
    return None


def read_signature(sources: Sources, address: str, package: str) -> Signature | None:
    """The signature of a stage's function, or None if there is no such function."""
    definition = next(filter(None, map(sources.find, stage_function(address, package))), None)
    if definition is None or not isinstance(definition.node, ast.FunctionDef):
        return None
    node = definition.node

    def contract(annotation: ast.expr | None) -> str:
        return _contract(sources, definition, annotation)

    return Signature(
        where=f"{definition.module.replace('.', '/')}.py:{node.lineno}",
        inputs={
            name: kind
            for argument in node.args.args
            for name, kind in (
                _fields(sources, definition, argument.annotation)
                or {argument.arg: contract(argument.annotation)}
            ).items()
        },
        params={argument.arg: contract(argument.annotation) for argument in node.args.kwonlyargs},
        outputs=_outputs(sources, definition, node.returns),
    )


def _contract(sources: Sources, near: Definition, annotation: ast.expr | None) -> str:
    """The annotation with each name of ours replaced by the full name of its definition."""
    if annotation is None:
        return ""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    return ast.unparse(_FullNames(sources, sources.module(near.module)).visit(deepcopy(annotation)))


class _FullNames(ast.NodeTransformer):
    """Replace names of ours by the full names of their definitions."""

    def __init__(self, sources: Sources, module: Module | None) -> None:
        self.sources = sources
        self.module = module

    def visit_Name(self, node: ast.Name) -> ast.Name:
        found = _resolve(self.sources, self.module, node.id)
        return ast.Name(f"{found.module}.{found.name}") if found else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """The same for ``module.name``."""
        head, _, rest = ast.unparse(node).partition(".")
        target = self.module.imports.get(head) if self.module else None
        found = self.sources.find(f"{target}.{rest}") if target else None
        return ast.Name(f"{found.module}.{found.name}") if found else node


def _resolve(sources: Sources, module: Module | None, name: str) -> Definition | None:
    if module is None:
        return None
    if name in module.definitions:
        return module.definitions[name]
    target = module.imports.get(name)
    return sources.find(target) if target else None


def _outputs(sources: Sources, definition: Definition, returns: ast.expr | None) -> dict[str, str]:
    """Fields of the returned NamedTuple; a bare contract stands under the empty name."""
    return _fields(sources, definition, returns) or {"": _contract(sources, definition, returns)}


def _fields(sources: Sources, near: Definition, annotation: ast.expr | None) -> dict[str, str]:
    """Return the fields of a NamedTuple of ours with their contracts; nothing for another annotation."""
    if isinstance(annotation, ast.Name):
        target = _resolve(sources, sources.module(near.module), annotation.id)
        if target and isinstance(target.node, ast.ClassDef) and _is_named_tuple(target.node):
            return {
                item.target.id: _contract(sources, target, item.annotation)
                for item in target.node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            }
    return {}


def _is_named_tuple(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases)


def _path_faults(root: Path, workflow: Workflow) -> Iterator[str]:
    made = {out.path for stage in workflow.stages.values() for out in stage.outs}
    for address, stage in workflow.stages.items():
        for path in stage.deps:
            is_made = any(overlaps(path, out) for out in made)
            # An address such as s3://... is not ours to look up.
            if not is_made and "://" not in path and not (root / path).exists():
                yield f"{address}: {path} does not exist and no stage makes it"
        for file, keys in stage.params.items():
            for key in keys if file not in made else ():
                if key not in workflow.params.get(file, {}):
                    yield f"{address}: {file} has no key '{key}'"


def _signature_faults(stage: Stage, signature: Signature, workflow: Workflow) -> Iterator[str]:
    stems = {Path(path).stem for path in stage.deps}
    kept = {PREVIOUS + Path(out.path).stem: out for out in stage.outs}
    for paths in (stage.deps, [out.path for out in stage.outs]):
        for stem in repeated_stems(paths):
            yield f"{stage.address}: several files of dvc.yaml have the stem '{stem}'; rename one"
    for name in signature.inputs:
        if name in kept and name not in stems:
            yield from _previous_faults(stage, signature, name, kept[name])
        elif name not in stems:
            yield f"{stage.address}: {signature.where}: no dependency has the stem of argument '{name}'"
    if signature.inputs:
        named = known_by_params(stage, workflow.params)
        taken = {Path(path).stem for path in stage.deps if path in named}
        for stem in sorted(stems - taken - set(signature.inputs)):
            yield f"{stage.address}: {signature.where}: no argument takes the dependency '{stem}'"
    outs = {Path(out.path).stem for out in stage.outs}
    returned = set(signature.outputs)
    if returned == {""} and len(outs) == 1:
        return
    if returned != outs:
        yield (
            f"{stage.address}: {signature.where}: returns {', '.join(sorted(returned)) or 'one value'}, "
            f"dvc.yaml declares {', '.join(sorted(outs))}"
        )


def _previous_faults(stage: Stage, signature: Signature, name: str, out: Output) -> Iterator[str]:
    """What is wrong with an argument that takes the last version of an output."""
    where = f"{stage.address}: {signature.where}"
    if not out.persist:
        yield (
            f"{where}: '{name}' takes the last {out.path}, which DVC removes before the stage runs; "
            "give that output `persist: true` in dvc.yaml"
        )
    made = signature.outputs.get(Path(out.path).stem) or signature.outputs.get("")
    if signature.inputs[name] != f"{made} | None":
        yield f"{where}: '{name}' is {signature.inputs[name]}, expected {made} | None: there may be none yet"


def _param_faults(root: Path, stage: Stage, signature: Signature, workflow: Workflow) -> Iterator[str]:
    own = stage.address.replace("-", ".", 1).replace("-", "_")
    declared = {}
    for key in stage.params.get("params.yaml", ()):
        declared["params" if key == own else key.rpartition(".")[2]] = key
    for name in sorted(set(signature.params) ^ set(declared)):
        side = "dvc.yaml declares no params for" if name in signature.params else "no argument takes"
        yield f"{stage.address}: {signature.where}: {side} '{name}'"
    for name in sorted(set(signature.params) & set(declared)):
        model = _import(root, signature.params[name])
        if model is None or not issubclass(model, Params):
            yield f"{stage.address}: {signature.where}: '{name}' is not annotated with a Params model"
            continue
        value = workflow.params.get("params.yaml", {}).get(declared[name])
        try:
            check(value, model, f"params.yaml: {declared[name]}")
        except ContractError as error:
            yield f"{stage.address}: {error}"


def _import(root: Path, dotted: str) -> type | None:
    module, _, name = dotted.rpartition(".")
    if not module:
        return None
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    found = getattr(importlib.import_module(module), name, None)
    return found if isinstance(found, type) else None


def _edge_faults(sources: Sources, workflow: Workflow, signatures: Mapping[str, Signature]) -> Iterator[str]:
    produced = {}
    for address, signature in signatures.items():
        for out in workflow.stages[address].outs:
            contract = signature.outputs.get(Path(out.path).stem) or signature.outputs.get("")
            produced[out.path] = (address, contract)
    for address, signature in signatures.items():
        for path in workflow.stages[address].deps:
            wanted = signature.inputs.get(Path(path).stem)
            if wanted is None or path not in produced:
                continue
            maker, made = produced[path]
            if made and made != wanted and not _narrower(sources, made, wanted):
                yield f"{path}: {maker} makes {made}, but {address} ({signature.where}) takes {wanted}"


def _narrower(sources: Sources, made: str, wanted: str) -> bool:
    """Whether the contract `made` is a class derived from the contract `wanted`."""
    made, wanted = (text.rpartition("Table[")[2].removesuffix("]") for text in (made, wanted))
    definition = sources.find(made)
    if definition is None or not isinstance(definition.node, ast.ClassDef):
        return False
    bases = [_contract(sources, definition, base) for base in definition.node.bases]
    return wanted in bases or any(_narrower(sources, base, wanted) for base in bases)
