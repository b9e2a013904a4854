"""The file `.statewright/reads.json`: files that stages opened.

A stage is observed while it runs alone. Its reads belong to an address and a command, because another
command may read other files; the newest commands of an address are kept. It is safe to delete the file:
the stages then run alone once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from statewright.files import replacing
from statewright.workflow import Stage, Workflow, digest
from statewright.workspace import control_folder

FORMAT = 1
KEPT_COMMANDS = 3


@dataclass(frozen=True)
class StageReads:
    """Files that a stage opened while its command ran and no other stage did.

    Parameters
    ----------
    command : str
        Digest of the command, see :func:`command_digest`.
    paths : tuple of str
        Outputs of other stages as they are declared, and files that git tracks.
    own : bool
        Whether the stage also reads its own outputs.
    passed_on : bool
        Whether the stage reads a file that another stage writes and none declares. Such a file cannot
        be watched in all runs, so the stage keeps running alone.
    """

    command: str
    paths: tuple[str, ...] = ()
    own: bool = False
    passed_on: bool = False


@dataclass
class ReadStore:
    """Reads by address; the newest command is the last.

    Parameters
    ----------
    changed : bool
        Whether there is something to save.
    """

    stages: dict[str, tuple[StageReads, ...]] = field(default_factory=dict)
    changed: bool = False

    def of(self, stage: Stage) -> StageReads | None:
        """Return what a stage reads with its current command, if that was observed."""
        command = command_digest(stage)
        return next((reads for reads in self.stages.get(stage.address, ()) if reads.command == command), None)

    def ever(self, address: str) -> set[str]:
        """Return what a stage has read with any of its kept commands."""
        return {path for reads in self.stages.get(address, ()) for path in reads.paths}

    def known(self, workflow: Workflow) -> dict[str, tuple[str, ...]]:
        """Return what each stage was observed to read with its current command."""
        return {a: known.paths for a, stage in workflow.stages.items() if (known := self.of(stage))}

    def observed(self, workflow: Workflow) -> frozenset[str]:
        """Return the stages whose reads are known for their current command."""
        known = {address: self.of(stage) for address, stage in workflow.stages.items()}
        return frozenset(address for address, reads in known.items() if reads and not reads.passed_on)

    def isolated(self, workflow: Workflow) -> frozenset[str]:
        """Return the stages that read a file which no stage declares as an output."""
        known = {address: self.of(stage) for address, stage in workflow.stages.items()}
        return frozenset(address for address, reads in known.items() if reads and reads.passed_on)

    def add(self, stage: Stage, paths: Iterable[str], *, own: bool, passed_on: bool = False) -> None:
        """Replace what a stage reads with its current command."""
        known = self.of(stage)
        passed_on |= known is not None and known.passed_on
        new = StageReads(command_digest(stage), tuple(sorted(paths)), own, passed_on)
        before = self.stages.get(stage.address, ())
        others = tuple(reads for reads in before if reads.command != new.command)
        after = (*others, new)[-KEPT_COMMANDS:]
        if after != before:
            self.stages[stage.address] = after
            self.changed = True


def command_digest(stage: Stage) -> str:
    """Return a digest of a stage's command and of the folder in which it runs."""
    return digest({"cmd": stage.cmd, "wdir": stage.wdir})


def load_reads(root: Path) -> ReadStore:
    """Read what earlier runs have observed; a missing or damaged file holds nothing."""
    try:
        values = json.loads((root / ".statewright" / "reads.json").read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            return ReadStore()
        return ReadStore(
            {a: tuple(_stage_reads(reads) for reads in kept) for a, kept in values["stages"].items()}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ReadStore()


def _stage_reads(values: Mapping[str, Any]) -> StageReads:
    return StageReads(
        str(values["command"]),
        tuple(map(str, values["paths"])),
        bool(values["own"]),
        bool(values.get("passed_on")),
    )


def save_reads(root: Path, store: ReadStore, addresses: Iterable[str]) -> None:
    """Write the reads of the stages that still exist, if there is something new."""
    if not store.changed:
        return
    path = control_folder(root / ".statewright") / "reads.json"
    stages = {a: store.stages[a] for a in addresses if a in store.stages}
    values = {
        "format": FORMAT,
        "stages": {address: [asdict(reads) for reads in kept] for address, kept in stages.items()},
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
    store.changed = False
