"""Read the Python environment of the stages: interpreter and distributions.

It belongs to the `python` that comes first on the caller's PATH, which may differ from the one that runs
the engine. Distributions are read from the names of the metadata folders; nothing is imported.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from statewright.files import replacing
from statewright.unchanged import first_python
from statewright.workflow import digest

TIMEOUT_S = 10
_METADATA = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist|egg)-info$")
_ASK = "import sys; print([sys.implementation.name, list(sys.version_info[:3]), sys.path])"


@dataclass(frozen=True)
class StageEnvironment:
    """Python environment in which a stage ran.

    Parameters
    ----------
    python : str
        Implementation and version, such as ``cpython 3.11.9``; empty if there is no `python`.
    platform : str
        System and machine, such as ``linux-x86_64``.
    distributions : mapping of str to str
        Name -> version. A distribution that is installed in editable mode is left out, because its
        version says nothing about its code.
    """

    python: str
    platform: str
    distributions: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """First 16 digits of the SHA-256 of all values."""
        return digest(self.as_dict())[:16]

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return {
            "python": self.python,
            "platform": self.platform,
            "distributions": dict(sorted(self.distributions.items())),
        }


@dataclass(frozen=True)
class Interpreter:
    """The interpreter of the stages and the folders that hold its distributions.

    Parameters
    ----------
    stable : bool
        Whether path and time of the program tell if it is still the same interpreter. That is not so
        for a script that selects one.
    """

    program: str
    python: str
    folders: tuple[str, ...]
    stable: bool = True

    @property
    def watched(self) -> tuple[str, ...]:
        """Paths whose time stamps change with the environment."""
        return (self.program, os.path.realpath(self.program), *_virtual(self.program), *self.folders)


def find_interpreter(cache: Path) -> Interpreter | None:
    """Return the interpreter of the stages, or None if there is none that answers.

    Parameters
    ----------
    cache : Path
        JSON file that keeps the answer while the program is the same.
    """
    program = first_python()
    if program is None:
        return None
    if Path(program).parent.parent == Path(sys.prefix):
        version = ".".join(map(str, sys.version_info[:3]))
        return Interpreter(program, f"{sys.implementation.name} {version}", tuple(_folders(sys.path)))
    key = [program, *(_stamp(path) for path in (program, os.path.realpath(program), *_virtual(program)))]
    key.append(os.environ.get("PYTHONPATH"))
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(cache.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return Interpreter(program, stored["python"], tuple(stored["folders"]))
    if (answer := _ask(program)) is None:
        return None
    interpreter = Interpreter(program, *answer, stable=not _is_script(program))
    if interpreter.stable:
        values = {"key": key, "python": interpreter.python, "folders": interpreter.folders}
        with suppress(OSError), replacing(cache) as temporary:
            temporary.write_text(json.dumps(values), encoding="utf-8")
    return interpreter


def read_environment(interpreter: Interpreter | None) -> StageEnvironment:
    """Return the environment of an interpreter, or of a machine without one."""
    platform = f"{sys.platform}-{os.uname().machine}"
    if interpreter is None:
        return StageEnvironment("", platform, {})
    # The first folder on the path wins, as it does for an import.
    distributions: dict[str, str] = {}
    for folder in interpreter.folders:
        for name, version in _distributions(folder):
            distributions.setdefault(name, version)
    return StageEnvironment(interpreter.python, platform, distributions)


def differences(was: StageEnvironment, now: StageEnvironment) -> list[tuple[str, str, str]]:
    """Return name, old and new version of each difference; absent is empty."""
    changes = []
    if was.platform != now.platform:
        changes.append(("platform", was.platform, now.platform))
    if was.python != now.python:
        changes.append(("python", was.python, now.python))
    for name in sorted({*was.distributions, *now.distributions}):
        before, after = was.distributions.get(name, ""), now.distributions.get(name, "")
        if before != after:
            changes.append((name, before, after))
    # First what was upgraded, then what is in one of the environments only.
    return sorted(changes, key=lambda change: not all(change))


def _distributions(folder: str) -> Iterator[tuple[str, str]]:
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 -- hundreds of names
            if (match := _METADATA.match(name)) and not _editable(Path(folder, name, "direct_url.json")):
                yield re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"]


def _editable(origin: Path) -> bool:
    try:
        return bool(json.loads(origin.read_text(encoding="utf-8"))["dir_info"]["editable"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _folders(paths: list[str]) -> Iterator[str]:
    """Yield the folders of a module search path in which distributions are installed."""
    for path in dict.fromkeys(paths):
        if Path(path).name in ("site-packages", "dist-packages"):
            yield path


def _ask(program: str) -> tuple[str, tuple[str, ...]] | None:
    """Ask the interpreter for its version and its module search path."""
    try:
        done = subprocess.run(
            [program, "-c", _ASK], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        name, version, paths = ast.literal_eval(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, SyntaxError, TypeError):
        return None
    return f"{name} {'.'.join(map(str, version))}", tuple(_folders(paths))


def _virtual(program: str) -> tuple[str, ...]:
    """Return the file that makes the folder above a virtual environment."""
    return (str(Path(program).parent.parent / "pyvenv.cfg"),)


def _is_script(program: str) -> bool:
    try:
        with Path(program).open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return True


def _stamp(path: str) -> list[int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]
