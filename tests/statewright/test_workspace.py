"""The control folder of a repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

from toys import make_repository

from statewright.workspace import control_folder


def test_git_does_not_see_the_control_folder(tmp_path: Path) -> None:
    root = make_repository(tmp_path, {"theirs.txt": ""})
    (control_folder(root / ".statewright") / "run.lock").write_text("")
    status = subprocess.run(
        ["git", "status", "--short", "--untracked-files=all"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "theirs.txt" in status.stdout
    assert ".statewright" not in status.stdout
