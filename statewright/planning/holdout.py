"""Holdouts: outputs that no stage of a loop may read.

A loop looks at its feedback in every round, so a file that any stage behind the feedback has read is no
longer unseen. `meta.holdout` names outputs of a stage that stay unread::

    preprocess  -->  views      -->  evaluate  -->  feedback       the loop: these stages read no holdout
         '-------->  holdout    -->  judge                         outside: no stage of the loop needs it

The stages of the loop are the feedback stage, the stage of its target, and all that these need, by declared
dependencies and by reads that were observed. The stage that writes the holdout is one of them; it alone may
open the file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from statewright.workflow import Stage, Workflow, WorkflowError, overlaps

Reads = Mapping[str, Collection[str]]
"""Stage -> paths that it was observed to read."""


@dataclass(frozen=True)
class HoldoutRead:
    """Read of a holdout by a stage of the loop.

    Parameters
    ----------
    stage : str
        Address of the reader.
    read : str
        Path that it reads: the holdout, a folder around it or a file inside it.
    holdout, producer : str
        Holdout, and the stage that declares it.
    needed_by : tuple of str
        Stages from one that needs the reader to the end of the loop; empty if the reader is that end.
    declared : bool
        Whether `dvc.yaml` declares the read; otherwise it was observed.
    """

    stage: str
    read: str
    holdout: str
    producer: str
    needed_by: tuple[str, ...]
    declared: bool

    @property
    def text(self) -> str:
        """Sentence that names the stage, the file, and what to change."""
        verb = "declares" if self.declared else "was observed to read"
        path = self.read if self.read == self.holdout else f"{self.read}, which overlaps {self.holdout}"
        through = f" (needed by {', then '.join(self.needed_by)})" if self.needed_by else ""
        change = f"remove {self.read} from its deps or params" if self.declared else "do not open it there"
        return (
            f"stage '{self.stage}'{through} {verb} {path}, a holdout of stage '{self.producer}' that no "
            f"stage of the loop may read; {change}, or take the stage out of the loop, or remove "
            f"{self.holdout} from meta.holdout"
        )


def holdouts(workflow: Workflow) -> dict[str, str]:
    """Return each holdout with the stage that declares it."""
    return {path: address for address, stage in workflow.stages.items() for path in _declared(stage)}


def _declared(stage: Stage) -> list[str]:
    """Return the paths in `meta.holdout`, relative to the repository."""
    return [posixpath.normpath(posixpath.join(stage.wdir, path)) for path in stage.settings.holdout]


def unknown_holdouts(workflow: Workflow) -> Iterator[str]:
    """Yield a sentence for each holdout that is not an output of its stage."""
    for address, stage in workflow.stages.items():
        paths = [out.path for out in stage.outs]
        for path in _declared(stage):
            if path not in paths:
                yield (
                    f"stage '{address}': meta.holdout names {path}, which is not an output of the stage; "
                    f"expected {' or '.join(paths) or 'an output'}"
                )


def feedback_stages(workflow: Workflow) -> list[str]:
    """Return the addresses of the stages with `meta.journal`, each the end of a loop."""
    return [address for address, stage in workflow.stages.items() if stage.settings.journal]


def holdout_reads(workflow: Workflow, ends: Iterable[str], reads: Reads) -> tuple[HoldoutRead, ...]:
    """Return the reads of holdouts by the stages that `ends` need, nearest first.

    Parameters
    ----------
    ends : iterable of str
        Addresses of the feedback stage and of the stage of the target.
    reads : mapping
        Observed reads; a stage that is needed through one of them belongs to the loop, too.
    """
    kept = holdouts(workflow)
    if not kept:
        return ()
    return tuple(
        HoldoutRead(address, path, holdout, producer, chain, declared)
        for address, chain in _needed(workflow, ends, reads).items()
        for path, declared in _read_by(workflow.stages[address], reads.get(address, ()))
        for holdout, producer in kept.items()
        if address != producer and overlaps(path, holdout)
    )


def require_unread(workflow: Workflow, ends: Iterable[str], reads: Reads) -> None:
    """Raise an error if a stage that `ends` need reads a holdout.

    Raises
    ------
    WorkflowError
        With a sentence for each read, or for each holdout that is not an output.
    """
    faults = [*unknown_holdouts(workflow), *(read.text for read in holdout_reads(workflow, ends, reads))]
    if faults:
        raise WorkflowError("\n".join(faults))


def _read_by(stage: Stage, observed: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Yield each path that a stage reads, and whether it is declared."""
    declared = {*stage.deps, *stage.params}
    yield from ((path, True) for path in sorted(declared))
    yield from ((path, False) for path in observed if path not in declared)


def _needed(workflow: Workflow, ends: Iterable[str], reads: Reads) -> dict[str, tuple[str, ...]]:
    """Return the stages that `ends` need, each with those up to the end."""
    makers = {out.path: address for address, stage in workflow.stages.items() for out in stage.outs}
    chains: dict[str, tuple[str, ...]] = dict.fromkeys(ends, ())
    queue = list(chains)
    for address in queue:
        observed = [makers[path] for path in reads.get(address, ()) if path in makers]
        for up in [*workflow.upstream[address], *observed]:
            if up not in chains:
                chains[up] = (address, *chains[address])
                queue.append(up)
    return chains
