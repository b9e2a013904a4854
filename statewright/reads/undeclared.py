"""Reads that a stage does not declare: their changes re-run nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from statewright.planning.holdout import HoldoutRead, feedback_stages, holdout_reads
from statewright.planning.inputs import Producers
from statewright.planning.ordering import Ordering, order_stages, output_producers
from statewright.planning.plan import Plan
from statewright.reads.store import ReadStore
from statewright.reads.tracked import fingerprinted_folders
from statewright.workflow import Stage, Workflow

MOST_REPORTED = 5
"""Maximum number of reads of each kind in the report of a run."""


@dataclass(frozen=True)
class UndeclaredRead:
    """File that a stage reads and does not declare.

    Parameters
    ----------
    path : str
        Relative to the repository; an output as its producer declares it.
    producer : str or None
        The stage that makes it; None for a file of git.
    dep : str
        The line to add under `deps:`, relative to the folder of the stage.
    """

    stage: str
    path: str
    producer: str | None
    dep: str

    @property
    def text(self) -> str:
        """Sentence that a person reads."""
        if self.producer is None:
            return (
                f"{self.stage} reads {self.path}, which is not among its deps: a change there re-runs nothing"
            )
        made = "tracked by" if self.producer.endswith(".dvc") else "made by"
        return f"{self.stage} reads {self.path}, {made} {self.producer}, without declaring it: add it to deps"


def ordering_of(
    workflow: Workflow,
    plan: Plan,
    reads: ReadStore,
    workers: int | str,
    confined: Collection[str] = (),
) -> Ordering:
    """Return the constraints on the stages of a plan, declared and learned.

    Parameters
    ----------
    confined : collection of str
        Stages that run where they find declared dependencies only: they cannot read a file too early.
    """
    ever = {address: reads.ever(address) for address in plan.work}
    observed, isolated = reads.observed(workflow), reads.isolated(workflow)
    known, alone = {*observed, *confined}, set(isolated) - set(confined)
    return order_stages(workflow, plan.work, ever, known, workers, alone)


def undeclared_reads(
    workflow: Workflow, reads: ReadStore, addresses: Iterable[str]
) -> tuple[UndeclaredRead, ...]:
    """Return the undeclared reads of some stages: first outputs, then files of git.

    A holdout that a stage of a loop reads is not among them, because it must not become a dependency.
    """
    producers = output_producers(workflow)
    forbidden = {(read.stage, read.read) for read in observed_holdout_reads(workflow, reads)}
    found: list[UndeclaredRead] = []
    for address in addresses:
        stage = workflow.stages[address]
        if known := reads.of(stage):
            paths = [path for path in known.paths if (address, path) not in forbidden]
            found += _of_stage(workflow, stage, paths, producers)
    return tuple(sorted(found, key=lambda read: read.producer is None))


def observed_holdout_reads(workflow: Workflow, reads: ReadStore) -> list[HoldoutRead]:
    """Return the observed reads of holdouts by stages of the loops."""
    found = holdout_reads(workflow, feedback_stages(workflow), reads.known(workflow))
    return [read for read in found if not read.declared]


def _of_stage(
    workflow: Workflow, stage: Stage, paths: Collection[str], producers: Producers
) -> Iterator[UndeclaredRead]:
    declared = [*stage.deps, *stage.params, *(out.path for out in stage.outs)]
    folders = list(fingerprinted_folders(workflow, stage.address))
    for path in paths:
        makers = producers.of(path) - {stage.address}
        if any(_is_inside(path, other) or _is_inside(other, path) for other in declared):
            continue
        if not makers and any(_is_inside(path, folder) for folder in folders):
            continue  # the stage sees changes of this code as changes of its params
        dep = os.path.relpath(path, stage.wdir)
        yield UndeclaredRead(stage.address, path, min(makers, default=None), dep)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/") or folder == "."


def report(reads: Collection[UndeclaredRead]) -> list[str]:
    """Return sentences for the end of a run, with the lines to add to dvc.yaml."""
    if not reads:
        return []
    outputs = [read for read in reads if read.producer is not None][:MOST_REPORTED]
    files = [read for read in reads if read.producer is None][:MOST_REPORTED]
    lines = [read.text for read in outputs]
    additions: dict[str, dict[str, None]] = {}
    for read in outputs:
        additions.setdefault(declaration_of(read.stage), {})[read.dep] = None
    for declaration, deps in additions.items():
        file, _, name = declaration.rpartition(":")
        lines.append(f"  in {file}, under deps of {name}:")
        lines += [f"    - {dep}" for dep in deps]
    lines += [read.text for read in files]
    if more := len(reads) - len(outputs) - len(files):
        lines.append(f"{more} more: `statewright check --reads` lists all")
    lines.append("`statewright check --fix` shows these changes as a patch; with --write it applies them")
    return lines


def declaration_of(address: str) -> str:
    """Return the file and the name under `stages:` of an address, as ``FILE:NAME``."""
    file, _, name = address.rpartition(":")
    return f"{file or 'dvc.yaml'}:{name.partition('@')[0]}"
