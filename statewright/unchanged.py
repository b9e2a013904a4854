"""Notice that nothing has changed since all stages were up to date.

`settled.py` stores this answer with the signatures of all files that it depends on. Here they are
compared. This module comes before every other one of a command, and `statewright run` is often over
after it: it imports only what every start of Python has loaded anyway, and `json`.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # as `typing.TYPE_CHECKING`; the module takes as long to import as this one to run
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Signature = list[int] | None

UNPUSHED = "unpushed.jsonl"
"""File below `.statewright`: results that a run with ``--push`` has left to the next one."""

FORMAT = 3
"""Version of the stored answer."""


def answer_without_planning(arguments: list[str]) -> bool:
    """Answer a plain ``statewright run`` if nothing has changed since.

    Where there is more to print or to do (`meta.show`, metrics, notes, records that wait), the usual way
    does it.
    """
    if arguments != ["run"]:
        return False
    try:
        start = os.path.realpath(os.getcwd())
        root = find_root(start)
        if root is None or (answer := read_answer(root)) is None:
            return False
        control = f"{root}/.statewright"
        if (
            not answer["plain"]
            or os.path.normpath(f"{root}/{answer['folder']}") != start
            or os.path.lexists(f"{control}/metrics.json")
            or os.path.lexists(f"{control}/{UNPUSHED}")
            or any(name.endswith((".jsonl", ".txt")) for name in _names(f"{control}/records"))
        ):
            return False
        print(up_to_date(answer["plain"]), file=sys.stderr, flush=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def up_to_date(stages: int) -> str:
    """Return the sentence that all stages are up to date."""
    return f"nothing to do: {stages} {'stage is' if stages == 1 else 'stages are'} up to date"


def find_root(start: str) -> str | None:
    """Return the folder at or above `start` that holds a DVC repository."""
    folder = start
    while not os.path.isdir(os.path.join(folder, ".dvc")):
        if (above := os.path.dirname(folder)) == folder:
            return None
        folder = above
    return folder


def read_answer(root: str) -> dict[str, Any] | None:
    """Return the stored answer if no file, program or variable has changed since.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError, AttributeError
        If there is none, or if the file is not one that this version wrote.
    """
    with open(f"{root}/.statewright/settled.json", encoding="utf-8") as stream:
        answer: dict[str, Any] = json.load(stream)
    if any(answer[key] != value for key, value in circumstances().items()):
        return None
    if any(signature(path) != stored for path, stored in answer["paths"].items()):
        return None
    return answer


def signature(path: str) -> Signature:
    """Return inode, size, time of the last change and mode of a path, if it exists."""
    try:
        status = os.stat(path)  # thousands of them, and a Path takes as long as the stat
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode]


def circumstances() -> dict[str, Any]:
    """Return the programs and environment variables that the answer depends on."""
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "GIT_CONFIG_GLOBAL", "GIT_DIR")
    folders = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return {
        "form": FORMAT,
        "python": sys.version,
        "packages": {path: signature(path) for path in folders},
        "engine": [signature(path) for path in sorted(_modules(os.path.dirname(__file__)))],
        "interpreter": first_python(),
        "environment": {
            name: _digest(value) if name.startswith("DVC_") else value
            for name, value in sorted(os.environ.items())
            if name in names or (name.startswith("DVC_") and name != "DVC_NO_ANALYTICS")
        },
    }


def first_python() -> str | None:
    """Return the path of the `python` that a stage finds first, or None."""
    for folder in os.get_exec_path():
        path = os.path.join(folder, "python")
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None


def _modules(folder: str) -> Iterator[str]:
    """Yield the modules below a folder; none if it cannot be listed."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.endswith(".py"):
            yield entry.path
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _modules(entry.path)


def _digest(value: str) -> str:
    """Return a digest of a variable that may be a secret, such as DVC_STUDIO_TOKEN."""
    import hashlib  # few environments have such a variable, and the import takes longer than the rest

    return hashlib.sha256(os.fsencode(value)).hexdigest()


def _names(folder: str) -> list[str]:
    """Return the names in a folder; none if it does not exist."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
