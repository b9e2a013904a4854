"""The file `.statewright/reads.json`: files that stages opened.

A stage is observed while it runs alone. Its reads belong to an address and a command, because another
command may read other files; the newest commands of an address are kept. It is safe to delete the file:
the stages then run alone once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    """

    command: str
    paths: tuple[str, ...] = ()
    own: bool = False


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

    def observed(self, workflow: Workflow) -> frozenset[str]:
        """Return the stages whose reads are known for their current command."""
        return frozenset(address for address, stage in workflow.stages.items() if self.of(stage))

    def add(self, stage: Stage, paths: Iterable[str], *, own: bool) -> None:
        """Replace what a stage reads with its current command."""
        new = StageReads(command_digest(stage), tuple(sorted(paths)), own)
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
    return StageReads(str(values["command"]), tuple(map(str, values["paths"])), bool(values["own"]))


def save_reads(root: Path, store: ReadStore, addresses: Iterable[str]) -> None:
    """Write the reads of the stages that still exist, if there is something new."""
    if not store.changed:
        return
    path = control_folder(root / ".statewright") / "reads.json"
    stages = {a: store.stages[a] for a in addresses if a in store.stages}
    values = {
        "format": FORMAT,
        "stages": {
            address: [
                {"command": reads.command, "paths": list(reads.paths), "own": reads.own} for reads in kept
            ]
            for address, kept in stages.items()
        },
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
    store.changed = False
