"""Checks of the two ends of each edge, from the source, before anything runs.

The signatures of stage functions are parsed, not imported. Only the small models of params blocks
are imported, to validate the values in ``params.yaml``.
"""

from __future__ import annotations

import ast
import importlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from statewright.contracts import ContractError, Params, check
from statewright.environment import resolve_references
from statewright.fingerprint import Definition, Module, Sources, stage_function
from statewright.functions.progress import is_progress
from statewright.functions.signature import CELL, PREVIOUS, name_of, param_texts, repeated_stems
from statewright.masking import mask_text, secret_values
from statewright.planning.holdout import feedback_stages, holdout_reads, unknown_holdouts
from statewright.workflow import Output, Stage, Workflow


@dataclass(frozen=True)
class Signature:
    """Inputs, params and outputs of a stage function.

    Parameters
    ----------
    where : str
        File and line of the function.
    inputs, params, outputs : mapping of str to str
        Name -> contract with full names; a single output has the empty name.
    groups : mapping of str to str
        Field of a NamedTuple -> the argument that the NamedTuple annotates.
    """

    where: str
    inputs: Mapping[str, str]
    params: Mapping[str, str]
    outputs: Mapping[str, str]
    groups: Mapping[str, str] = field(default_factory=dict)


def faults(root: Path, workflow: Workflow) -> list[str]:
    """Return a sentence for each conflict of dvc.yaml, signatures, params and files."""
    sources = Sources(root)
    sentences = list(_path_faults(root, workflow))
    signatures = {}
    for address, stage in workflow.stages.items():
        package = own_package(stage, root)
        if package is None:
            continue
        signature = read_signature(sources, address, package)
        if signature is None:
            sentences.append(
                f"{address}: neither {' nor '.join(stage_function(address, package))} is a function; "
                "write it, or correct `cmd` in dvc.yaml"
            )
            continue
        signatures[address] = signature
        sentences += _signature_faults(stage, signature, workflow)
        sentences += _param_faults(root, stage, signature, workflow)
    sentences += _edge_faults(sources, workflow, signatures)
    sentences += unknown_holdouts(workflow)
    sentences += [read.text for read in holdout_reads(workflow, feedback_stages(workflow), {})]
    return sentences


def own_package(stage: Stage, root: Path) -> str | None:
    """Return P of the command ``python -m P STAGE``, if P is in `root`, else None."""
    for command in stage.cmd:
        words = shlex.split(command)
        if len(words) == 4 and words[1] == "-m" and words[3] == stage.address:
            return words[2] if (root / words[2] / "__main__.py").is_file() else None
    return None


def read_signature(sources: Sources, address: str, package: str) -> Signature | None:
    """Return the signature of a stage's function, or None if it does not exist."""
    definition = next(filter(None, map(sources.find, stage_function(address, package))), None)
    if definition is None or not isinstance(definition.node, ast.FunctionDef):
        return None
    node = definition.node

    inputs: dict[str, str] = {}
    groups: dict[str, str] = {}
    for argument in node.args.args:
        fields = _fields(sources, definition, argument.annotation)
        inputs |= fields or {argument.arg: _contract(sources, definition, argument.annotation)}
        groups |= dict.fromkeys(fields, argument.arg)
    return Signature(
        where=f"{definition.module.replace('.', '/')}.py:{node.lineno}",
        inputs=inputs,
        params={
            argument.arg: contract
            for argument in node.args.kwonlyargs
            if not is_progress(contract := _contract(sources, definition, argument.annotation))
        },
        outputs=_outputs(sources, definition, node.returns),
        groups=groups,
    )


def _contract(sources: Sources, near: Definition, annotation: ast.expr | None) -> str:
    """Return an annotation with full names of the definitions in the repository."""
    if annotation is None:
        return ""
    names = _FullNames(sources, sources.module(near.module))
    return ast.unparse(names.visit(deepcopy(_unquoted(annotation))))


def _unquoted(annotation: ast.expr) -> ast.expr:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


class _FullNames(ast.NodeTransformer):
    """Replacement of names by the full names of their definitions."""

    def __init__(self, sources: Sources, module: Module | None) -> None:
        self.sources = sources
        self.module = module

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Replace a plain name."""
        target = _resolve(self.sources, self.module, node.id)
        return ast.Name(f"{target.module}.{target.name}") if target else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Replace ``module.name``."""
        target = _resolve(self.sources, self.module, ast.unparse(node))
        return ast.Name(f"{target.module}.{target.name}") if target else node


def _resolve(sources: Sources, module: Module | None, dotted: str) -> Definition | None:
    """Return the definition of ``name`` or ``module.name`` as a module sees it."""
    if module is None:
        return None
    if dotted in module.definitions:
        return module.definitions[dotted]
    head, dot, rest = dotted.partition(".")
    target = module.imports.get(head)
    return sources.find(f"{target}{dot}{rest}") if target else None


def _outputs(sources: Sources, definition: Definition, returns: ast.expr | None) -> dict[str, str]:
    """Return the contract of each output; a single output has the empty name."""
    return _fields(sources, definition, returns) or {"": _contract(sources, definition, returns)}


def _fields(sources: Sources, near: Definition, annotation: ast.expr | None) -> dict[str, str]:
    """Return the fields of a NamedTuple in the repository with their contracts.

    The result is empty for any other annotation.
    """
    if annotation is None:
        return {}
    target = _resolve(sources, sources.module(near.module), ast.unparse(_unquoted(annotation)))
    if target is None or not isinstance(target.node, ast.ClassDef) or not _is_named_tuple(target.node):
        return {}
    return {
        item.target.id: _contract(sources, target, item.annotation)
        for item in target.node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


def _is_named_tuple(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base) in ("NamedTuple", "typing.NamedTuple") for base in node.bases)


def _path_faults(root: Path, workflow: Workflow) -> Iterator[str]:
    made = {PurePosixPath(out.path) for stage in workflow.stages.values() for out in stage.outs}
    holding = {folder for path in made for folder in path.parents} | made
    for address, stage in workflow.stages.items():
        for path in stage.deps:
            inner = PurePosixPath(path)
            is_made = inner in holding or not made.isdisjoint(inner.parents)
            # A check stays offline: a remote path such as s3://... is not looked up.
            if not is_made and "://" not in path and not (root / path).exists():
                yield f"{address}: {path} does not exist and no stage writes it; create it, or correct `deps`"
        for file, keys in stage.params.items():
            for key in keys if PurePosixPath(file) not in made else ():
                if key not in workflow.params.get(file, {}):
                    yield f"{address}: {file} has no key '{key}'; add it, or correct `params` in dvc.yaml"


def _signature_faults(stage: Stage, signature: Signature, workflow: Workflow) -> Iterator[str]:
    stems = {name_of(path, stage.cell, signature.inputs) for path in stage.deps}
    previous = {PREVIOUS + Path(out.path).stem: out for out in stage.outs}
    for paths in (stage.deps, [out.path for out in stage.outs]):
        for stem in repeated_stems(paths):
            yield f"{stage.address}: several files in dvc.yaml have the stem '{stem}'; rename one"
    for name in signature.inputs:
        if name in previous and name not in stems:
            yield from _previous_faults(stage, signature, name, previous[name])
        elif name not in stems:
            group = signature.groups.get(name)
            taker = f"field '{name}' of argument '{group}'" if group else f"argument '{name}'"
            yield f"{stage.address}: {signature.where}: no dependency has the stem of {taker}"
    if signature.inputs:
        texts = param_texts(stage, workflow.params)
        from_params = {name_of(path, stage.cell, signature.inputs) for path in stage.deps if path in texts}
        for stem in sorted(stems - from_params - set(signature.inputs)):
            yield f"{stage.address}: {signature.where}: no argument takes the dependency '{stem}'"
    outs = {name_of(out.path, stage.cell, signature.outputs) for out in stage.outs}
    returned = set(signature.outputs)
    if returned == {""} and len(outs) == 1:
        return
    if returned != outs:
        yield (
            f"{stage.address}: {signature.where}: returns {', '.join(sorted(returned)) or 'one value'}, "
            f"dvc.yaml declares {', '.join(sorted(outs))}"
        )


def _previous_faults(stage: Stage, signature: Signature, name: str, out: Output) -> Iterator[str]:
    """Yield the faults of an argument that takes the last version of an output."""
    where = f"{stage.address}: {signature.where}"
    if not out.persist:
        yield (
            f"{where}: '{name}' takes the last {out.path}, which DVC removes before the stage runs; "
            "give that output `persist: true` in dvc.yaml"
        )
    contract = signature.outputs.get(Path(out.path).stem) or signature.outputs.get("")
    if signature.inputs[name] != f"{contract} | None":
        yield (
            f"{where}: '{name}' is {signature.inputs[name]}, expected {contract} | None, "
            "because the first run has no last version"
        )


def _param_faults(root: Path, stage: Stage, signature: Signature, workflow: Workflow) -> Iterator[str]:
    declared = _declared_blocks(stage)
    if CELL in signature.params and CELL not in declared:
        yield from _cell_faults(root, stage, signature)
        signature = replace(signature, params={k: v for k, v in signature.params.items() if k != CELL})
    for name in sorted(set(signature.params) ^ set(declared)):
        side = "dvc.yaml declares no params for" if name in signature.params else "no argument takes"
        yield f"{stage.address}: {signature.where}: {side} '{name}'"
    for name in sorted(set(signature.params) & set(declared)):
        model = params_model(root, signature, name)
        if model is None:
            yield f"{stage.address}: {signature.where}: '{name}' is not annotated with a Params model"
            continue
        yield from _value_faults(stage, workflow, declared[name], model)


def _cell_faults(root: Path, stage: Stage, signature: Signature) -> Iterator[str]:
    """Yield the faults of the argument that takes the values of a cell of a matrix."""
    where = f"{stage.address}: {signature.where}"
    model = params_model(root, signature, CELL)
    if not stage.cell:
        yield f"{where}: '{CELL}' takes a cell, but the stage has no `matrix` in dvc.yaml"
    elif model is None:
        yield f"{where}: '{CELL}' is not annotated with a Params model"
    else:
        try:
            check(dict(stage.cell), model, "dvc.yaml: its cell")
        except ContractError as error:
            yield f"{stage.address}: {error}"


def _declared_blocks(stage: Stage) -> dict[str, str]:
    """Return argument -> key of params.yaml.

    The argument of the stage's own block is `params`; that of another block is the last part of its key.
    """
    own = stage.group.replace("-", ".", 1).replace("-", "_")
    return {
        "params" if key == own else key.rpartition(".")[2]: key for key in stage.params.get("params.yaml", ())
    }


def _value_faults(stage: Stage, workflow: Workflow, key: str, model: type[Params]) -> Iterator[str]:
    try:
        value = resolve_references(workflow.params.get("params.yaml", {}).get(key))
        check(value, model, f"params.yaml: {key}")
    except ContractError as error:
        yield mask_text(f"{stage.address}: {error}", secret_values(os.environ))


def value_faults(root: Path, workflow: Workflow) -> list[str]:
    """Return a sentence for each block of params.yaml that its model rejects."""
    sources = Sources(root)
    sentences: list[str] = []
    for address, stage in workflow.stages.items():
        package = own_package(stage, root)
        signature = read_signature(sources, address, package) if package else None
        if signature:
            for key, model in params_blocks(root, stage, signature):
                sentences += _value_faults(stage, workflow, key, model)
    return list(dict.fromkeys(sentences))


def params_blocks(root: Path, stage: Stage, signature: Signature) -> Iterator[tuple[str, type[Params]]]:
    """Yield each block of params.yaml that a stage function reads, with its model."""
    for name, key in _declared_blocks(stage).items():
        if model := params_model(root, signature, name):
            yield key, model


def params_model(root: Path, signature: Signature, name: str) -> type[Params] | None:
    """Return the Params model that annotates an argument, or None if there is none."""
    module, _, class_name = signature.params.get(name, "").rpartition(".")
    if not module:
        return None
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    model = getattr(importlib.import_module(module), class_name, None)
    return model if isinstance(model, type) and issubclass(model, Params) else None


def _edge_faults(sources: Sources, workflow: Workflow, signatures: Mapping[str, Signature]) -> Iterator[str]:
    produced = {}
    for address, signature in signatures.items():
        for out in workflow.stages[address].outs:
            stem = name_of(out.path, workflow.stages[address].cell, signature.outputs)
            contract = signature.outputs.get(stem) or signature.outputs.get("")
            produced[out.path] = (address, contract)
    for address, signature in signatures.items():
        for path in workflow.stages[address].deps:
            cell = workflow.stages[address].cell
            expected = signature.inputs.get(name_of(path, cell, signature.inputs))
            if expected is None or path not in produced:
                continue
            producer, contract = produced[path]
            if contract and contract != expected and not _is_subclass(sources, contract, expected):
                reader = f"{address} ({signature.where})"
                yield f"{path}: {producer} writes {contract}, but {reader} reads {expected}"


def _is_subclass(sources: Sources, contract: str, base: str) -> bool:
    """Return whether the class of `contract` is derived from the class of `base`."""
    contract, base = (text.rpartition("Table[")[2].removesuffix("]") for text in (contract, base))
    definition = sources.find(contract)
    if definition is None or not isinstance(definition.node, ast.ClassDef):
        return False
    parents = [_contract(sources, definition, parent) for parent in definition.node.bases]
    return base in parents or any(_is_subclass(sources, parent, base) for parent in parents)
