"""The rounds of the closed loop as they are kept: the journal, and the files that make a state.

The journal (`meta.journal` of the feedback stage) is a list of the rounds whose patch was applied;
the feedback stage reads it, so it is written before the patch and never after the last round.

``.statewright/rounds/NUMBER.json`` keeps a round whole: the params files, the journal, the lock
files and the `.dvc` files as they were. They and the cache are all it takes to bring the round back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
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
    """A round that can be brought back.

    Parameters
    ----------
    state : str
        Digest of the state.
    settled : tuple of str
        Addresses of the stages that were up to date.
    score : float or None
        None for a state that no loop reached: it was saved before another was brought back.
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
    """The files that, with the cache, make the state: params, journal, and DVC's own records."""
    made = {out.path for stage in workflow.stages.values() for out in stage.outs}
    params = {file for stage in workflow.stages.values() for file in stage.params} | {"params.yaml"}
    own = {path.relative_to(root).as_posix() for path in records if path.is_relative_to(root)}
    names = {name for name in params - made if not Path(name).is_absolute() and ".." not in Path(name).parts}
    return {name: _text(root / name) for name in sorted({*names, *own, *journals})}


def _text(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else None


def restore_files(root: Path, files: Files) -> None:
    """Write files as they were, each whole or not at all; those that were not there go."""
    # DVC's records last: with old params beside a new record the plan would call new outputs old.
    for name, text in sorted(files.items(), key=lambda item: item[0].endswith((".lock", ".dvc"))):
        path = root / name
        if text is None:
            path.unlink(missing_ok=True)
        elif text != _text(path):
            with replacing(path) as temporary:
                temporary.write_bytes(text.encode("utf-8", "surrogateescape"))


def saved_rounds(root: Path) -> dict[int, SavedRound]:
    """All rounds kept here, by number."""
    found = {}
    for path in sorted((root / ".statewright" / "rounds").glob("*.json")):
        values = load(path)
        kept = SavedRound(**{**values, "settled": tuple(values["settled"])})
        found[kept.round] = kept
    return found


def find_round(root: Path, number: int) -> SavedRound:
    """The round of that number.

    Raises
    ------
    WorkflowError
        If there is none; it lists those that there are.
    """
    kept = saved_rounds(root)
    if number in kept:
        return kept[number]
    if not kept:
        raise WorkflowError(f"no round {number}: no rounds are kept here; `statewright loop` makes them")
    names = ", ".join(f"{one.round} ({score_text(one)})" for one in kept.values())
    raise WorkflowError(f"no round {number} is kept here; there are {names}: `statewright run --at ROUND`")


def score_text(kept: SavedRound) -> str:
    """The score of a round as it stands in a message."""
    return "saved" if kept.score is None else f"score {kept.score:.6g}"


def number_of(root: Path, files: Files) -> int | None:
    """The number under which these very files are kept, if they are."""
    return next((kept.round for kept in saved_rounds(root).values() if kept.files == files), None)


def next_number(root: Path, journal: Sequence[Mapping[str, Any]]) -> int:
    """One more than any round that is kept here or stands in the journal."""
    journaled = [entry["round"] for entry in journal if isinstance(entry.get("round"), int)]
    return max([0, *saved_rounds(root), *journaled]) + 1


def write_round(root: Path, kept: SavedRound) -> None:
    """Write a round down, in place of an earlier one of that number."""
    folder = control_folder(root / ".statewright") / "rounds"
    with replacing(folder / f"{kept.round:04}.json") as temporary:
        # Not by dump_json: what is no UTF-8 in a file must come back as it was.
        temporary.write_text(json.dumps(asdict(kept), indent=1))


def now() -> str:
    """The time, as it stands in journals."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The rounds whose patch was applied, oldest first; none if there is no file.

    Raises
    ------
    WorkflowError
        If the file is no list of rounds.
    """
    try:
        journal = load(path) if path.is_file() else []
    except FileError as error:
        raise WorkflowError(f"{error}; a journal with no rounds in it is `[]`") from error
    if not isinstance(journal, list) or not all(isinstance(entry, dict) for entry in journal):
        raise WorkflowError(f"{path}: expected a list of rounds, found {type(journal).__name__}; try `[]`")
    return journal


def write_journal(path: Path, journal: Sequence[Mapping[str, Any]]) -> None:
    """Replace the journal."""
    with replacing(path) as temporary:
        temporary.write_text(dump_json(list(journal)), encoding="utf-8")


def journal_entry(done: Round, patch: Sequence[Patch], reason: str) -> dict[str, Any]:
    """A round as the journal has it; `state` is the digest after the round."""
    return {
        "round": done.number,
        "time": now(),
        "before": done.before,
        "state": done.after,
        "plan": dict(done.plan),
        "score": done.score,
        "patch": [one.model_dump() for one in patch],
        "reason": reason,
    }


def patch_between(text: str | None, wanted: str | None) -> list[Patch]:
    """The patch that leads from one YAML params file to another."""
    from ruamel.yaml import YAML

    was, now = (YAML(typ="safe").load(one or "") or {} for one in (text, wanted))
    return [
        Patch(key=key, was=before, now=after)
        for name in [*was, *(name for name in now if name not in was)]
        for key, before, after in differences(name, was.get(name), now.get(name))
    ]


def left_over(journal: Sequence[Mapping[str, Any]], digest: str, patch: Sequence[Patch]) -> bool:
    """Whether a patch was journaled but never applied, because the loop was killed between the two.

    Parameters
    ----------
    digest : str
        Of the state that stands now: nothing has run since.
    patch : sequence of Patch
        What applying the last entry's patch would change.
    """
    if not journal or journal[-1].get("state") != digest:
        return False
    entry = [Patch(**one) for one in journal[-1].get("patch", [])]
    return bool(entry) and list(patch) == entry
