"""Which stages cannot run on another machine, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from statewright.planning.inputs import Producers
from statewright.planning.ordering import output_producers
from statewright.reads.store import ReadStore
from statewright.reads.undeclared import undeclared_reads
from statewright.repository.declaration import Repository
from statewright.repository.remote_stages import obstacle
from statewright.workflow import Stage, Workflow


def cannot_travel(
    repository: Repository, workflow: Workflow, reads: ReadStore, source: Collection[str]
) -> dict[str, str]:
    """Return the stages that must run on the coordinator, each with a reason.

    Parameters
    ----------
    reads : ReadStore
        What stages were seen to read on this machine.
    source : collection of str
        Files that a worker gets from git, relative to the repository.
    """
    producers = output_producers(workflow)
    folders = {parent.as_posix() for path in source for parent in Path(path).parents}
    known = {*source, *folders}
    isolated = reads.isolated(workflow)
    reasons = {}
    for address, stage in workflow.stages.items():
        texts = [
            *_of_declaration(stage, known, producers),
            *([text] if (text := obstacle(repository, address)) else []),
            *_of_reads(workflow, reads, address),
            *(["it reads a file that no stage declares as an output"] if address in isolated else []),
        ]
        if texts:
            reasons[address] = texts[0]
    return reasons


def _of_declaration(stage: Stage, known: Collection[str], producers: Producers) -> Iterator[str]:
    if not stage.plain:
        yield "it has no command that a run starts (frozen, import or data source)"
    elif not stage.deps and not any(stage.params.values()):
        yield "it declares no dependency, so what it reads is not known"
    for out in stage.outs:
        if _is_outside(out.path):
            yield f"its output {out.path} is outside of the repository"
        elif out.persist:
            yield f"its output {out.path} is kept from run to run (persist)"
    for path in (*stage.deps, *stage.params):
        if _is_outside(path):
            yield f"its dependency {path} is outside of the repository"
        elif path not in known and not producers.of(path):
            yield f"its dependency {path} is neither in git nor in DVC; `dvc add {path}` lets it travel"
    if stage.rewrites:
        yield f"it changes its dependency {stage.rewrites[0]}"


def _of_reads(workflow: Workflow, reads: ReadStore, address: str) -> Iterator[str]:
    for read in undeclared_reads(workflow, reads, [address]):
        if read.producer is not None:
            yield f"it reads {read.path} without declaring it: add {read.dep} to deps"


def _is_outside(path: str) -> bool:
    return "://" in path or path.startswith("../") or Path(path).is_absolute()


def sentences(reasons: Mapping[str, str], work: Collection[str]) -> list[str]:
    """Return a line for each stage of the plan that stays on this machine."""
    return [f"{address} runs on this machine: {reasons[address]}" for address in work if address in reasons]
