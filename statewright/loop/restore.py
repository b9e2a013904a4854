"""Restore an earlier round: its params, journal, records and cached outputs.

No data is lost: the current state is saved as a round first, and outputs that are in no cache are
moved to another folder. The command may be killed at any time and repeated.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from statewright.loop import rounds
from statewright.loop.snapshot import save_current_state
from statewright.planning.plan import MUST
from statewright.repository.declaration import open_repository
from statewright.repository.experiments import check_out, unsaved_outputs
from statewright.session import carry_out, exclusive_run, open_session, show_results
from statewright.terminal.plan_table import print_short_plan
from statewright.terminal.words import terminal
from statewright.workspace import control_folder


def run_at(directory: Path, number: int, *, workers: int | str | None) -> int:
    """Restore round `number` (`statewright run --at`).

    Returns
    -------
    int
        0 if the round is restored, 1 if a stage that had to run again failed.
    """
    console = terminal()
    root = open_repository(directory).root
    with exclusive_run(root, console):
        saved = rounds.find_round(root, number)
        current = save_current_state(open_session(root, []))
        if current == number:
            console.print(f"round {number} is the current state: only its outputs are restored")
        else:
            console.print(
                f"the current state is saved as round {current}: `statewright run --at {current}` restores it"
            )
        if restore_round(root, saved, saved.files, console, workers=workers):
            return 1
        session = open_session(root, [])
        show_results(session)
        same = session.state.digest == saved.state
        end = "is restored" if same else "is restored, but some outputs differ from those of the round"
        console.print(f"round {number} ({rounds.score_text(saved)}) {end}: state {session.state.digest[:8]}")
        return 0


def restore_round(
    root: Path, saved: rounds.SavedRound, files: rounds.Files, console: Console, *, workers: int | str | None
) -> int:
    """Restore `files` of a round, then its outputs.

    A stage whose outputs are no longer in the cache runs again.

    Returns
    -------
    int
        0, or 1 if a stage failed.
    """
    _move_unsaved_outputs(root, console)
    with open_repository(root).locked():
        rounds.restore_files(root, files)
    restored, _ = check_out(open_repository(root))
    if restored:
        noun = "output" if len(restored) == 1 else "outputs"
        console.print(f"{len(restored)} {noun} restored from the cache", highlight=False)
    session = open_session(root, [])
    settled = [address for address in saved.settled if address in session.workflow.stages]
    if not settled:
        return 0
    session = open_session(root, settled)
    if not session.plan.work:
        return 0
    again = [a for a in session.plan.work if session.plan.decisions[a].verdict == MUST]
    if again and files == saved.files:
        console.print(f"the cache lacks outputs of the round: {', '.join(again)} will run", style="yellow")
    print_short_plan(session.plan, console)
    return carry_out(session, workers=workers, name="loop", console=console)


def _move_unsaved_outputs(root: Path, console: Console) -> None:
    folder = control_folder(root / ".statewright") / "aside" / rounds.now().replace(":", "")
    for name in unsaved_outputs(open_repository(root)):
        if Path(name).is_absolute() or not (root / name).exists():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / name, folder / name)
        console.print(f"{name} is in no cache: moved to {folder / name}", style="yellow", markup=False)
