"""The saved rounds of the closed loop: the journal, and the files of a state.

The journal (`meta.journal` of the feedback stage) is a list of the rounds whose patch was applied.
The feedback stage reads it, so it is written before the patch and never after the last round.

``.statewright/rounds/NUMBER.json`` holds a whole round: its params files, its journal, its lock
files and its `.dvc` files. These files and the cache are enough to restore the round.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

from statewright.contracts import Patch
from statewright.files import FileError, dump_json, load, replacing
from statewright.loop.judge import Round
from statewright.planning.reasons import differences
from statewright.workflow import Workflow, WorkflowError
from statewright.workspace import control_folder

Files = Mapping[str, str | None]
"""Path, relative to the repository -> text; None where there was no file."""


@dataclass(frozen=True)
class SavedRound:
    """A round that can be restored.

    Parameters
    ----------
    state : str
        Digest of the state.
    settled : tuple of str
        Addresses of the stages that were up to date.
    score : float or None
        None for a state that is not the result of a loop: it was saved before a round was restored.
    """

    round: int
    time: str
    state: str
    files: Files
    settled: tuple[str, ...] = ()
    score: float | None = None
    reason: str = ""
    patch: list[dict[str, Any]] = field(default_factory=list)


def state_files(root: Path, workflow: Workflow, journals: Iterable[str], records: Iterable[Path]) -> Files:
    """Return the files that, with the cache, define a state.

    These are the params files, the journals, and DVC's own records.
    """
    outputs = {out.path for stage in workflow.stages.values() for out in stage.outs}
    params = {file for stage in workflow.stages.values() for file in stage.params} | {"params.yaml"}
    own = {path.relative_to(root).as_posix() for path in records if path.is_relative_to(root)}
    names = {name for name in params - outputs if not Path(name).is_absolute()}
    inside = {name for name in names if ".." not in Path(name).parts}
    return {name: _text(root / name) for name in sorted({*inside, *own, *journals})}


def _text(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else None


def restore_files(root: Path, files: Files) -> None:
    """Write saved files, each atomically, and delete those that did not exist."""
    # DVC's records come last: with a new record and old params, outputs would look up to date.
    for name, text in sorted(files.items(), key=lambda item: item[0].endswith((".lock", ".dvc"))):
        path = root / name
        if text is None:
            path.unlink(missing_ok=True)
        elif text != _text(path):
            with replacing(path) as temporary:
                temporary.write_bytes(text.encode("utf-8", "surrogateescape"))


def saved_rounds(root: Path) -> dict[int, SavedRound]:
    """Return all saved rounds by number."""
    by_number = {}
    for path in sorted((root / ".statewright" / "rounds").glob("*.json")):
        values = load(path)
        saved = SavedRound(**{**values, "settled": tuple(values["settled"])})
        by_number[saved.round] = saved
    return by_number


def find_round(root: Path, number: int) -> SavedRound:
    """Return the saved round with a number.

    Raises
    ------
    WorkflowError
        If there is none; the message lists the saved rounds.
    """
    saved = saved_rounds(root)
    if number in saved:
        return saved[number]
    if not saved:
        raise WorkflowError(f"no round {number}: there are no saved rounds; `statewright loop` saves them")
    names = ", ".join(f"{other.round} ({score_text(other)})" for other in saved.values())
    raise WorkflowError(f"no saved round {number}; there are {names}: `statewright run --at ROUND`")


def score_text(saved: SavedRound) -> str:
    """Return the score of a round for a message."""
    return "saved" if saved.score is None else f"score {saved.score:.6g}"


def find_number(root: Path, files: Files) -> int | None:
    """Return the number of the saved round that has exactly these files, if any."""
    return next((saved.round for saved in saved_rounds(root).values() if saved.files == files), None)


def next_number(root: Path, journal: Sequence[Mapping[str, Any]]) -> int:
    """Return one more than the highest number of the saved and journaled rounds."""
    journaled = [entry["round"] for entry in journal if isinstance(entry.get("round"), int)]
    return max([0, *saved_rounds(root), *journaled]) + 1


def write_round(root: Path, saved: SavedRound) -> None:
    """Write a round; it replaces an earlier one with the same number.

    It holds whole params files, so it is not readable for more users than they are.
    """
    folder = control_folder(root / ".statewright") / "rounds"
    modes = [(root / name).stat().st_mode for name in saved.files if (root / name).is_file()]
    most = reduce(and_, modes, 0o777)
    with replacing(folder / f"{saved.round:04}.json", most) as temporary:
        # Not by dump_json: bytes of a file that are not UTF-8 must survive the round trip.
        temporary.write_text(json.dumps(asdict(saved), indent=1))


def now() -> str:
    """Return the current time in the format of journals."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read the rounds whose patch was applied, oldest first.

    The list is empty if the journal does not exist.

    Raises
    ------
    WorkflowError
        If the file does not hold a list of rounds.
    """
    try:
        journal = load(path) if path.is_file() else []
    except FileError as error:
        raise WorkflowError(f"{error}; a journal without rounds is `[]`") from error
    if not isinstance(journal, list) or not all(isinstance(entry, dict) for entry in journal):
        raise WorkflowError(f"{path}: expected a list of rounds, found {type(journal).__name__}; try `[]`")
    return journal


def write_journal(path: Path, journal: Sequence[Mapping[str, Any]]) -> None:
    """Replace the journal."""
    with replacing(path) as temporary:
        temporary.write_text(dump_json(list(journal)), encoding="utf-8")


def journal_entry(done: Round, patch: Sequence[Patch], reason: str) -> dict[str, Any]:
    """Return the journal entry of a round; its `state` is the digest after the round."""
    return {
        "round": done.number,
        "time": now(),
        "before": done.before,
        "state": done.after,
        "plan": dict(done.plan),
        "score": done.score,
        "patch": [change.model_dump() for change in patch],
        "reason": reason,
    }


def patch_between(text: str | None, wanted: str | None) -> list[Patch]:
    """Return the patch that turns one YAML params file into another."""
    from ruamel.yaml import YAML

    was, now = (YAML(typ="safe").load(content or "") or {} for content in (text, wanted))
    return [
        Patch(key=key, was=before, now=after)
        for name in [*was, *(name for name in now if name not in was)]
        for key, before, after in differences(name, was.get(name), now.get(name))
    ]


def is_pending(journal: Sequence[Mapping[str, Any]], digest: str, patch: Sequence[Patch]) -> bool:
    """Return whether the last patch was journaled but not applied.

    That is so if the loop was killed between the two.

    Parameters
    ----------
    digest : str
        Digest of the current state. It equals the journaled one if nothing has run since.
    patch : sequence of Patch
        The changes that the patch of the last entry would make now.
    """
    if not journal or journal[-1].get("state") != digest:
        return False
    entry = [Patch(**change) for change in journal[-1].get("patch", [])]
    return bool(entry) and list(patch) == entry
