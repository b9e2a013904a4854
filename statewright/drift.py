"""Compare the software that made an output with the software that is here.

`.statewright/environments/` holds each environment once, under its digest, and for each stage the digest
by the hashes of the outputs. So a plan compares without MLflow, and outputs that were restored from the
cache are compared with the environment that made them.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.files import file_name
from statewright.interpreter import (
    Interpreter,
    StageEnvironment,
    differences,
    find_interpreter,
    read_environment,
)
from statewright.state import Hashes
from statewright.workflow import digest
from statewright.workspace import control_folder

FOLDER = ".statewright/environments"
MAX_VERSIONS = 20
"""Maximum number of versions of a stage's outputs whose environment is kept."""

MAX_NAMED = 2
"""Maximum number of distributions in a sentence."""


@dataclass
class Environments:
    """The recorded environments of a repository, and the one that is here.

    Parameters
    ----------
    root : Path
        Root of the repository.
    """

    root: Path
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _here: tuple[Interpreter | None, StageEnvironment] | None = None
    _read: dict[str, StageEnvironment | None] = field(default_factory=dict)

    def _found(self) -> tuple[Interpreter | None, StageEnvironment]:
        with self._mutex:
            if self._here is None:
                interpreter = find_interpreter(self.root / FOLDER / "interpreter.json")
                self._here = interpreter, read_environment(interpreter)
            return self._here

    @property
    def here(self) -> StageEnvironment:
        """The environment that a stage would have now; it is read once."""
        return self._found()[1]

    @property
    def watched(self) -> tuple[str, ...]:
        """Paths whose time stamps change with the environment, if it was compared."""
        interpreter = self._here[0] if self._here else None
        return interpreter.watched if interpreter else ()

    @property
    def certain(self) -> bool:
        """False if the environment can change while `watched` stay the same."""
        return self._here is None or self._here[0] is None or self._here[0].stable

    def save(self, stage: str, outputs: Hashes) -> None:
        """Record that the environment here made these outputs of a stage."""
        folder = control_folder(self.root / ".statewright") / "environments"
        folder.mkdir(exist_ok=True)
        environment = folder / f"{self.here.digest}.json"
        if not environment.exists():
            _write(environment, self.here.as_dict())
        path = folder / _stage_file(stage)
        versions = {k: v for k, v in _load(path).items() if k != _key(outputs)}
        versions[_key(outputs)] = self.here.digest
        _write(path, dict(list(versions.items())[-MAX_VERSIONS:]))

    def of(self, stage: str, outputs: Hashes) -> StageEnvironment | None:
        """Return the environment that made these outputs of a stage, if known."""
        return self.read(_load(self.root / FOLDER / _stage_file(stage)).get(_key(outputs)))

    def read(self, name: str | None) -> StageEnvironment | None:
        """Return the environment with this digest, if it was recorded here."""
        if not name or not name.isalnum():
            return None
        if name not in self._read:
            values: Any = _load(self.root / FOLDER / f"{name}.json")
            self._read[name] = None
            with suppress(KeyError, TypeError):
                self._read[name] = StageEnvironment(
                    values["python"], values["platform"], dict(values["distributions"])
                )
        return self._read[name]

    def drifted(self, outputs: Mapping[str, Hashes]) -> dict[str, tuple[str, str]]:
        """Return the software that made the outputs, and that here, if they differ.

        Parameters
        ----------
        outputs : mapping of str to mapping
            Address of a stage -> hashes of its outputs.
        """
        if not (self.root / FOLDER).is_dir():
            return {}
        drift = {}
        for stage, hashes in outputs.items():
            was = self.of(stage, hashes)
            if was is not None and was.digest != self.here.digest:
                drift[stage] = in_words(differences(was, self.here))
        return drift


def in_words(changes: Iterable[tuple[str, str, str]]) -> tuple[str, str]:
    """Return the first differences as two texts: old and new versions."""
    changes = list(changes)
    if len(changes) == 1 and all(changes[0]):
        name, before, after = changes[0]
        return _version(name, before), after
    first = changes[:MAX_NAMED]
    more = f" and {len(changes) - MAX_NAMED} more" if len(changes) > MAX_NAMED else ""
    was, now = (", ".join(_version(change[0], change[side]) for change in first) + more for side in (1, 2))
    return was, now


def _version(name: str, version: str) -> str:
    if not version:
        return f"no {name}"
    return version if name in ("python", "platform") else f"{name} {version}"


def _stage_file(stage: str) -> str:
    return file_name(f"stage-{stage}", ".json")


def _key(outputs: Hashes) -> str:
    return digest(dict(outputs))[:16]


def _load(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(path: Path, values: Mapping[str, object]) -> None:
    """Replace a file without the wait for the disk that results would need."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
    temporary.replace(path)
