"""Results of finished stages that the remote does not have yet.

A run that is killed, or whose remote is gone, leaves them in a file, and the next run with ``--push`` sends
them. Each line adds or removes one result, so that a stage costs the same in a large run as in a small one;
the last line may be incomplete after a kill.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path

from statewright.repository.cached_files import CachedFile
from statewright.repository.remote_results import Made
from statewright.unchanged import UNPUSHED
from statewright.workspace import control_folder


class Unpushed:
    """The list of a repository."""

    def __init__(self, root: Path) -> None:
        self.path = root / ".statewright" / UNPUSHED
        self.open: dict[str, Made] = {}
        self.mutex = threading.Lock()

    def read(self) -> list[Made]:
        """Return the results that earlier runs have left."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                values = json.loads(line)
                if "done" in values:
                    self.open.pop(values["done"], None)
                    continue
                files = tuple(CachedFile(**file) for file in values["files"])
                result = Made(values["address"], files, tuple(values["run"]) if values["run"] else None)
            except (ValueError, KeyError, TypeError):
                continue
            self.open[_name(result)] = result
        return list(self.open.values())

    def add(self, result: Made) -> None:
        """Add a result before it is pushed."""
        with self.mutex:
            self.open[_name(result)] = result
            self._append(asdict(result))

    def remove(self, result: Made) -> None:
        """Remove a result that the remote has; with the last one, the file goes."""
        with self.mutex:
            self.open.pop(_name(result), None)
            if self.open:
                self._append({"done": _name(result)})
            else:
                self.path.unlink(missing_ok=True)

    def _append(self, values: dict[str, object]) -> None:
        try:
            control_folder(self.path.parent)
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(values) + "\n")
        except OSError:
            pass  # a full disk: the push itself is tried, and its failure is said


def _name(result: Made) -> str:
    return " ".join([result.address, *(result.run or ()), *(file.value for file in result.files)])
