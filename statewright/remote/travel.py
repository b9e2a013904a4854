"""Which stages cannot run on another machine, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from statewright.reads.store import ReadStore
from statewright.reads.undeclared import undeclared_reads
from statewright.repository.declaration import Repository
from statewright.repository.remote_stages import obstacle
from statewright.repository.untracked import Shared, ignored_file, leaving_link, shared_files
from statewright.workflow import Stage, Workflow


def cannot_travel(repository: Repository, workflow: Workflow, reads: ReadStore) -> dict[str, str]:
    """Return the stages that must run on the coordinator, each with a reason.

    Parameters
    ----------
    reads : ReadStore
        What stages were seen to read on this machine.
    """
    outputs = frozenset(out.path for stage in workflow.stages.values() for out in stage.outs)
    shared = shared_files(repository.root, outputs)
    isolated = reads.isolated(workflow)
    reasons = {}
    for address, stage in workflow.stages.items():
        texts = [
            *_of_declaration(repository, stage, shared),
            *([text] if (text := obstacle(repository, address)) else []),
            *_of_reads(workflow, reads, address),
            *(["it reads a file that no stage declares as an output"] if address in isolated else []),
        ]
        if texts:
            reasons[address] = texts[0]
    return reasons


def _of_declaration(repository: Repository, stage: Stage, shared: Shared) -> Iterator[str]:
    if not stage.plain:
        yield "it has no command that a run starts (frozen, import or data source)"
    elif stage.settings.travel is False:
        yield "meta.travel is false"
    elif not stage.deps and not any(stage.params.values()):
        yield "it declares no dependency, so what it reads is not known"
    for out in stage.outs:
        if out.persist:
            yield f"its output {out.path} is kept from run to run (persist)"
    if stage.rewrites:
        yield f"it changes its dependency {stage.rewrites[0]}"
    named = {
        "folder": [stage.wdir],
        "output": [out.path for out in stage.outs],
        "dependency": [*stage.deps, *stage.params],
    }
    for kind, paths in named.items():
        for path in paths:
            if problem := _of_path(repository, path, shared):
                yield f"its {kind} {path} {problem}"


def _of_path(repository: Repository, path: str, shared: Shared) -> str:
    """Return why a file or folder cannot travel; empty if it can."""
    if "://" in path or path.startswith("../") or Path(path).is_absolute():
        return "is outside of the repository"
    if link := leaving_link(repository, path, shared):
        return f"leads out of the repository by the symbolic link {link}"
    if path != "." and not shared.has(path) and (file := ignored_file(repository, path, shared)):
        holder = "is" if file == path else f"holds {file}, which is"
        return f"{holder} neither in git nor in DVC; `dvc add {file}` lets it travel"
    return ""


def _of_reads(workflow: Workflow, reads: ReadStore, address: str) -> Iterator[str]:
    for read in undeclared_reads(workflow, reads, [address]):
        if read.producer is not None:
            yield f"it reads {read.path} without declaring it: add {read.dep} to deps"


def sentences(reasons: Mapping[str, str], work: Collection[str]) -> list[str]:
    """Return a line for each stage of the plan that stays on this machine."""
    return [f"{address} runs on this machine: {reasons[address]}" for address in work if address in reasons]
