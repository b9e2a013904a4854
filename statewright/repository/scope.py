"""Select the stages of a command, as ``dvc repro`` does with the same options.

DVC resolves a target in the user's folder: first as a stage of the `dvc.yaml` there, then as a file with
stages. Where DVC finds nothing, a target can also be an output, a pipeline (the part of stage names
before a hyphen), or an address as it is printed at the root of the repository.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.stage import Stage as DvcStage

from statewright.repository.declaration import Repository
from statewright.request import Request, as_request
from statewright.workflow import WorkflowError

DECLARATION = "dvc.yaml"


@dataclass(frozen=True)
class Scope:
    """Stages that a request takes.

    Parameters
    ----------
    named : tuple of str
        Addresses of the stages that the targets name.
    order : tuple of str
        Addresses of all stages to take, in the order in which ``dvc repro`` visits them.
    """

    named: tuple[str, ...]
    order: tuple[str, ...]


def select(repository: Repository, request: Request) -> Scope:
    """Return the stages that a request takes.

    Raises
    ------
    WorkflowError
        If a target selects nothing, or the folder has no `dvc.yaml`; the message says what to type.
    """
    stages = [] if request.all_pipelines else _named(repository, request)
    steps = stages if request.only_targets else _steps(repository, request, stages)
    return Scope(
        tuple(dict.fromkeys(stage.addressing for stage in stages or steps)),
        tuple(dict.fromkeys(stage.addressing for stage in steps)),
    )


def targets(repository: Repository, names: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of the stages that `names` select."""
    request = as_request(names)
    return tuple(dict.fromkeys(stage.addressing for stage in _named(repository, request))) if names else ()


def labels(repository: Repository) -> dict[str, str]:
    """Return address -> the address as DVC prints it in the user's folder.

    At the root of the repository the two are equal, and the result is empty.
    """
    if repository.below == ".":
        return {}
    folder = repository.root / repository.below
    return {address: _label(stage, folder) for address, stage in repository.stages.items()}


def _label(stage: DvcStage, folder: Path) -> str:
    path, name = os.path.relpath(stage.path, folder), getattr(stage, "name", None)
    if not name:
        return path
    return str(name) if path == DECLARATION else f"{path}:{name}"


def _steps(repository: Repository, request: Request, stages: Sequence[DvcStage]) -> list[DvcStage]:
    """Return the stages to visit, in DVC's order.

    Without stages, DVC visits all. For few stages, DVC's own order depends on the hashes of Python's
    strings, which differ between two processes; here it is the order of the whole graph.
    """
    import networkx
    from dvc.repo.reproduce import get_active_graph, get_subgraph

    graph = get_active_graph(repository.repo.index.graph)
    # Both options select another set of stages; DVC then ignores --downstream.
    downstream = request.downstream and not (request.all_pipelines or request.pipeline)
    part: Any = graph
    if stages and request.pipeline:
        part = get_subgraph(graph, list(stages), pipeline=True)
    elif stages:
        part = _reachable(graph, stages, downstream=downstream)
    ordered: Any = networkx.DiGraph()
    ordered.add_nodes_from(stage for stage in graph if stage in part)
    ordered.add_edges_from((s, up) for s in graph if s in part for up in graph.adj[s] if up in part)
    return list(networkx.dfs_postorder_nodes(ordered))


def _reachable(graph: Any, stages: Sequence[DvcStage], *, downstream: bool) -> set[DvcStage]:
    """Return stages with all that they need, or with all that depend on them.

    DVC's function starts a search at each stage, which is quadratic if all stages are given.
    """
    neighbours = graph.predecessors if downstream else graph.successors
    reachable, waiting = set(stages), list(stages)
    while waiting:
        for stage in neighbours(waiting.pop()):
            if stage not in reachable:
                reachable.add(stage)
                waiting.append(stage)
    return reachable


def _named(repository: Repository, request: Request) -> list[DvcStage]:
    """Return the stages that the targets name, or those of the user's `dvc.yaml`."""
    if not request.targets:
        return _of_folder(repository, request)
    return [stage for name in request.targets for stage in _of_target(repository, request, name)]


def _of_folder(repository: Repository, request: Request) -> list[DvcStage]:
    folder = repository.root / repository.below
    if not (folder / DECLARATION).exists():
        raise WorkflowError(_without_declaration(repository, folder))
    declared = str(Path(os.path.normpath(folder)) / DECLARATION)
    # The index has these stages already; DVC would parse the file a second time.
    stages = [stage for stage in repository.repo.index.stages if stage.path == declared]
    return stages or _collected(repository, request, DECLARATION)


def _without_declaration(repository: Repository, folder: Path) -> str:
    """Return the message for a folder without `dvc.yaml`."""
    files = sorted({os.path.relpath(stage.path, folder) for stage in repository.stages.values()})
    if not files:
        return (
            f"this repository has no {DECLARATION} and no stage; `dvc stage add` or "
            "`statewright init PIPELINE` declares one"
        )
    shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    return (
        f"no {DECLARATION} in this folder ({folder}). --all-pipelines (-P) takes every stage of the "
        f"repository ({shown}); a target names some: {files[0]}"
    )


def _of_target(repository: Repository, request: Request, name: str) -> list[DvcStage]:
    try:
        stages = _collected(repository, request, name)
    except DvcException as error:
        if request.glob or not (stages := _of_other_target(repository, name)):
            raise WorkflowError(_unknown(repository, request, name)) from error
    if not stages and (request.glob or request.recursive):
        # DVC takes every stage of the repository where a pattern or a folder selects none.
        raise WorkflowError(_unknown(repository, request, name))
    return stages


def _collected(repository: Repository, request: Request, name: str, below: str | None = None) -> list[Any]:
    """Return the stages that DVC collects for a target.

    Parameters
    ----------
    below : str, optional
        Folder in which the target is resolved (default: that of the user).
    """
    # The index has the same stages, with the hashes that a run updates.
    index = {stage: stage for stage in repository.stages.values()}
    with chdir(repository.root / (repository.below if below is None else below)):
        found = list(repository.repo.stage.collect(name, recursive=request.recursive, glob=request.glob))
    return [index.get(stage, stage) for stage in found]


def _of_other_target(repository: Repository, name: str) -> list[DvcStage]:
    """Return the stages of a target that DVC does not know in the user's folder."""
    local = "" if repository.below == "." else f"{repository.below}/{DECLARATION}:"
    searches: list[Callable[[], list[DvcStage]]] = [
        lambda: _of_output(repository, os.path.normpath(Path(repository.below, name))),
        lambda: _of_pipeline(repository, f"{local}{name}"),
        lambda: _at_root(repository, name) if local else [],
        lambda: _of_output(repository, name),
        lambda: _of_pipeline(repository, name),
    ]
    return next((found for search in searches if (found := search())), [])


def _at_root(repository: Repository, name: str) -> list[DvcStage]:
    try:
        return _collected(repository, Request(), name, below=".")
    except DvcException:
        return []


def _of_output(repository: Repository, path: str) -> list[DvcStage]:
    try:
        outs = repository.repo.find_outs_by_path(path, strict=False)
    except DvcException:
        return []
    return [out.stage for out in outs]


def _of_pipeline(repository: Repository, name: str) -> list[DvcStage]:
    return [stage for address, stage in repository.stages.items() if address.startswith(f"{name}-")]


def _unknown(repository: Repository, request: Request, name: str) -> str:
    """Return the message for a target that selects nothing."""
    if request.glob:
        return f"no stage matches '{name}'; `statewright graph` lists the stages"
    folder = repository.root / repository.below / name
    if folder.is_dir():
        inside = [stage for stage in repository.stages.values() if Path(stage.path).is_relative_to(folder)]
        if inside and not request.recursive:
            return f"'{name}' is a folder, not a stage; --recursive (-R) takes the stages in it"
        return f"no stage is declared in the folder '{name}'; `statewright graph` lists the stages"
    close = difflib.get_close_matches(name, list(repository.stages), n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`statewright graph` lists the stages"
    return f"'{name}' is not a stage, output or pipeline of this repository; {hint}"
