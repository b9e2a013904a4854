"""Record a run in MLflow from a separate process, without delay for the run.

The run sends lines of JSON and never imports MLflow. The process records every line that was sent,
even if the run is killed: its parent run then ends as KILLED.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from statewright.masking import mask_arguments
from statewright.record.tracking import StageRecord
from statewright.running.supervisor import share_lock
from statewright.workflow import Output, Stage


class Recorder:
    """The run's end of the pipe to the recording process.

    Parameters
    ----------
    root : Path
        The repository.
    lock : Path
        A lock file on which the process holds a shared lock while it runs.
    """

    def __init__(self, root: Path, lock: Path) -> None:
        self._mutex = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "statewright.running.recorder", str(root), str(lock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )

    def start(self, name: str, tags: Mapping[str, str], plan: Mapping[str, Any]) -> None:
        """Open the parent run."""
        command = mask_arguments(sys.argv)
        self._send({"do": "start", "name": name, "command": command, "tags": tags, "plan": plan})

    def stage(self, done: StageRecord) -> None:
        """Record a stage as a child run."""
        self._send({"do": "stage", "done": asdict(done)})

    def end(
        self,
        *,
        failed: bool,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        schedule: Mapping[str, Any],
    ) -> None:
        """Close the parent run; `schedule` holds predicted and measured times."""
        self._send({"do": "end", "failed": failed, "tags": tags, "metrics": metrics, "schedule": schedule})

    def round(
        self,
        between: tuple[float, float],
        tags: Mapping[str, str],
        plan: Mapping[str, Any],
        metrics: Mapping[str, float],
    ) -> None:
        """Record a round of the loop, see `tracking.record_round`."""
        self._send({"do": "round", "between": between, "tags": tags, "plan": plan, "metrics": metrics})

    def close(self) -> tuple[str | None, str | None]:
        """Wait until all is recorded; return the parent run's id and any problem."""
        reply, _ = self._process.communicate()
        try:
            answer = json.loads(reply)
        except ValueError:
            return None, "the recording process was killed"
        return answer["run"], answer["problem"]

    def _send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message, default=str) + "\n"
        assert self._process.stdin is not None
        with self._mutex:
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except BrokenPipeError:  # `close` reports it
                return


def main() -> None:
    """Record all messages until the pipe closes, then print the outcome."""
    answer, sys.stdout = sys.stdout, sys.stderr
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, messages), daemon=True).start()
    share_lock(sys.argv[2])
    run, problem = record(Path(sys.argv[1]), messages)
    print(json.dumps({"run": run, "problem": problem}), file=answer)


def _read(stream: IO[str], messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Read lines at once, so that the run does not wait for MLflow."""
    for line in stream:
        messages.put(json.loads(line))
    messages.put(None)


def record(root: Path, messages: queue.SimpleQueue[dict[str, Any] | None]) -> tuple[str | None, str | None]:
    """Write all messages to MLflow; return the parent run's id and the first problem."""
    from statewright.record import tracking

    parent: tracking.Record | None = None
    problem: str | None = None
    ended = False
    while (message := messages.get()) is not None:
        try:
            if message["do"] == "round":
                del message["do"]
                tracking.record_round(root, **message)
            elif message["do"] == "start":
                parent = tracking.open_record(root, message["command"])
                tracking.start_parent(parent, message["name"], message["tags"], message["plan"])
            elif parent is not None and message["do"] == "stage":
                tracking.record_stage(parent, _stage_record(message["done"]))
            elif parent is not None:
                ended = True
                status = "FAILED" if message["failed"] else "FINISHED"
                tracking.record_schedule(parent, message["schedule"])
                tracking.end_parent(parent, status, tags=message["tags"], metrics=message["metrics"])
        except Exception as error:
            problem = problem or f"{type(error).__name__}: {error}".splitlines()[0]
    if parent is not None and not ended:
        tracking.end_parent(parent, "KILLED")
    return parent.parent_id if parent else None, problem


def _stage_record(values: Mapping[str, Any]) -> StageRecord:
    stage = values["stage"]
    outs = tuple(Output(**out) for out in stage["outs"])
    log = Path(values["log"]) if values["log"] else None
    return StageRecord(**{**values, "stage": Stage(**{**stage, "outs": outs}), "log": log})


if __name__ == "__main__":
    main()
