"""Bring an earlier round back: its params, journal and records as they were, its outputs from the cache.

Nothing is lost by it: what stands is kept as a round first, and outputs that no cache holds are
moved aside. It may be killed and repeated at any moment.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from statewright.loop import rounds
from statewright.loop.snapshot import save_current_state
from statewright.plan import MUST
from statewright.repository.declaration import open_repository
from statewright.repository.experiments import check_out, unsaved_outputs
from statewright.session import alone, carry_out, look, show_results
from statewright.terminal.display import print_plan, terminal
from statewright.workspace import control_folder


def run_at(directory: Path, number: int, *, workers: int) -> int:
    """Bring round `number` back (`statewright run --at`).

    Returns
    -------
    int
        0 if it stands, 1 if a stage that had to run again failed.
    """
    console = terminal()
    root = open_repository(directory).root
    with alone(root, console):
        kept = rounds.find_round(root, number)
        standing = save_current_state(look(root, []))
        if standing == number:
            console.print(f"round {number} stands already: only its outputs are looked after")
        else:
            console.print(
                f"what stands is kept as round {standing}: `statewright run --at {standing}` returns"
            )
        if restore_round(root, kept, kept.files, console, workers=workers):
            return 1
        session = look(root, [])
        show_results(session)
        same = session.state.digest == kept.state
        end = "stands again" if same else "stands, but outputs came out otherwise than they were"
        console.print(f"round {number} ({rounds.score_text(kept)}) {end}: state {session.state.digest[:8]}")
        return 0


def restore_round(
    root: Path, kept: rounds.SavedRound, files: rounds.Files, console: Console, *, workers: int
) -> int:
    """Put `files` of a round back, then its outputs; what the cache holds no more is run.

    Returns
    -------
    int
        0, or 1 if a stage failed.
    """
    _move_aside(root, console)
    with open_repository(root).locked():
        rounds.restore_files(root, files)
    back, _ = check_out(open_repository(root))
    if back:
        console.print(f"{len(back)} outputs brought back from the cache", highlight=False)
    session = look(root, [])
    settled = [address for address in kept.settled if address in session.workflow.stages]
    if not settled:
        return 0
    session = look(root, settled)
    if not session.plan.work:
        return 0
    again = [a for a in session.plan.work if session.plan.decisions[a].verdict == MUST]
    if again and files == kept.files:
        console.print(f"not all of it can be had from the cache: {', '.join(again)} will run", style="yellow")
    print_plan(session.plan, console)
    return carry_out(session, workers=workers, name="loop", console=console)


def _move_aside(root: Path, console: Console) -> None:
    folder = control_folder(root / ".statewright") / "aside" / rounds.now().replace(":", "")
    for name in unsaved_outputs(open_repository(root)):
        if Path(name).is_absolute() or not (root / name).exists():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / name, folder / name)
        console.print(f"{name} is in no cache: moved to {folder / name}", style="yellow", markup=False)
