"""Files of git whose reads a run observes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from statewright.git import git
from statewright.workflow import Workflow

LEFT_OUT_FOLDERS = frozenset(
    {".git", ".dvc", ".statewright", "__pycache__", "site-packages", "node_modules", ".venv", "venv"}
)
PROJECT_FILES = frozenset(
    {"pyproject.toml", "setup.cfg", "setup.py", "Pipfile", ".python-version", "uv.toml", "poetry.toml"}
)
"""Files that launchers such as ``uv run`` read, whatever they launch."""
LEFT_OUT_NAMES = PROJECT_FILES | frozenset(
    {"dvc.yaml", ".dvcignore", ".gitignore", ".gitattributes", "package-lock.json", ".statewright.toml"}
)
LEFT_OUT_SUFFIXES = frozenset({".pyc", ".lock", ".dvc"})


def tracked_files(root: Path, workflow: Workflow) -> frozenset[str]:
    """Return the files of git in `root` that can be a dependency of a stage.

    Bytecode, lock files, project files, the files of DVC and of this engine, and params files are left
    out.
    """
    listed = (name for name in git(root, "ls-files", "-z").split("\0") if name)
    params = {file for stage in workflow.stages.values() for file in stage.params} | {"params.yaml"}
    engine = _engine_folder(root)
    return frozenset(
        name
        for name in listed
        if name not in params and _can_be_dependency(name) and not (engine and name.startswith(f"{engine}/"))
    )


def _can_be_dependency(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        path.name not in LEFT_OUT_NAMES
        and path.suffix not in LEFT_OUT_SUFFIXES
        and not LEFT_OUT_FOLDERS.intersection(path.parts)
    )


def _engine_folder(root: Path) -> str | None:
    """Return the folder of this package if it is in the repository."""
    folder = Path(__file__).resolve().parents[1]
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else None


def fingerprinted_folders(workflow: Workflow, address: str) -> Iterable[str]:
    """Yield the folders whose code a stage sees as params from fingerprints."""
    for ancestor in workflow.ancestors([address]):
        stage = workflow.stages[ancestor]
        if any("statewright fingerprint" in command for command in stage.cmd):
            yield from stage.deps
