"""Observe which outputs and which files of git the stages of a run open.

inotify reports that a file was opened, not by which process. So

- while one stage runs and no other, each report is a read of that stage: this is learned;
- while several run, a report of a file whose producer has not finished, or has finished since a stage
  started, makes that stage's result doubtful: it is not recorded, and the stage runs again in order.

A producer opens its own outputs, too. While its command runs, only a file that is closed after reading
counts, and not if the producer was seen to read its own outputs and the other stage was observed.

A new folder is watched a few milliseconds after it was made. If it already holds files then, a stage whose
reads are not known counts as their reader if its command names the folder.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from statewright.planning.ordering import Ordering, output_producers
from statewright.running import inotify
from statewright.running.observation import (
    FAILED,
    FINISHED,
    PREPARING,
    RUNNING,
    SAVING,
    WAITING,
    Command,
    Observation,
    StageProgress,
)
from statewright.running.own_opens import OwnOpens
from statewright.running.watched_paths import WatchedPaths
from statewright.workflow import Stage, Workflow


class Watch:
    """Observer of the stages of one run.

    Parameters
    ----------
    rereading : collection of str
        Stages that were seen to read their own outputs.
    tracked : iterable of str
        Files that git tracks.

    Attributes
    ----------
    problem : str or None
        Why some files are not watched.
    """

    def __init__(
        self,
        root: Path,
        workflow: Workflow,
        ordering: Ordering,
        *,
        rereading: Iterable[str] = (),
        tracked: Iterable[str] = (),
    ) -> None:
        self._mutex = threading.RLock()
        self._workflow = workflow
        self._ordering = ordering
        self._rereading = frozenset(rereading)
        self._place = {address: number for number, address in enumerate(ordering.order)}
        self._ancestors = cache(lambda address: workflow.ancestors([address]))
        self._stages = {a: StageProgress(WAITING if a in self._place else FINISHED) for a in workflow.stages}
        self._commands: dict[str, Command] = {}
        self._active: set[str] = set()
        self._written: dict[str, set[str]] = {}
        self._clock = 0
        self._producers = output_producers(workflow)
        self._paths = WatchedPaths(root, self._producers, frozenset(tracked))
        self._woken, self._wake = os.pipe()
        self._own_opens = OwnOpens(self._watched_name)
        self._thread = threading.Thread(target=self._follow, name="watch", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """Reason why some files are not watched, or None."""
        return self._paths.problem

    def prepare(self, address: str) -> None:
        """Note that the engine now removes or restores the outputs of a stage."""
        with self._mutex:
            self._drain()
            self._stages[address].phase = PREPARING
            self._active.add(address)
            for command in self._commands.values():
                command.exact = False

    def start(self, address: str) -> None:
        """Note that the command of a stage starts."""
        with self._mutex:
            self._drain()
            self._clock += 1
            self._commands[address] = Command(self._clock, self._active == {address} and self._paths.complete)
            self._stages[address].phase = RUNNING

    def end(self, address: str) -> Observation:
        """Note that the command of a stage has ended, and return what was observed."""
        with self._mutex:
            self._drain()
            self._stages[address].phase = SAVING
            command = self._commands.pop(address)
            for producer, output in command.saving.items():
                if self._stages[producer].phase != FINISHED:
                    command.stale.setdefault(producer, output)
            return Observation(
                exact=command.exact,
                reads=frozenset(command.reads),
                own=command.own,
                stale=command.stale,
                passed_on=command.passed_on,
                unseen=command.unseen,
            )

    def finish(self, address: str, *, failed: bool = False, again: bool = False) -> None:
        """Note that a stage is recorded, has failed, or will run again."""
        with self._mutex:
            self._drain()
            self._clock += 1
            stage = self._stages[address]
            stage.phase = WAITING if again else FAILED if failed else FINISHED
            stage.finished = self._clock
            self._active.discard(address)
            self._commands.pop(address, None)
            for command in self._commands.values():
                output = command.saving.pop(address, None)
                if output is not None and stage.phase != FINISHED:
                    command.stale.setdefault(address, output)
            self._paths.cover_outputs(out.path for out in self._workflow.stages[address].outs)

    def close(self) -> None:
        """End the observation."""
        self._own_opens.close()
        os.write(self._wake, b"x")
        self._thread.join()
        with self._mutex:  # after an interrupt, stages may still end
            self._paths.close()
        os.close(self._woken)
        os.close(self._wake)

    def _follow(self) -> None:
        """Empty the kernel's queue, which is short, while stages run."""
        poller = select.poll()
        for descriptor in (self._paths.descriptor, self._woken):
            poller.register(descriptor, select.POLLIN)
        while self._woken not in {ready for ready, _ in poller.poll()}:
            with self._mutex:
                self._drain()
            time.sleep(0.002)  # let a burst of events arrive, so that one call reads all of them

    def _drain(self) -> None:
        for event in self._paths.events():
            if event.mask & inotify.OVERFLOWED:
                self._note_loss()
            elif not event.mask:
                self._note_unseen(event.paths)
            elif self._commands and event.mask & inotify.CLOSE_WRITTEN:
                for path in event.paths:
                    name = path.rpartition("/")[2]
                    # The engine writes dvc.lock while stages run; the runner of a stage reads it.
                    if not name.startswith(".") and name != "dvc.lock":
                        self._written.setdefault(path, set()).update(self._commands)
            elif self._commands and event.mask & (inotify.OPEN | inotify.CLOSE_UNWRITTEN):
                self._note(event.paths, event.mask)

    def _note_loss(self) -> None:
        """Treat every stage as a reader of every output: the kernel has dropped reports."""
        for command in self._commands.values():
            command.exact = False
        for address, stage in self._workflow.stages.items():
            for out in stage.outs:
                self._note_output(out.path, address, inotify.OPEN | inotify.CLOSE_UNWRITTEN)

    def _note_unseen(self, folders: Collection[str]) -> None:
        """Note new folders that held files before they were watched."""
        for output, producer in {pair for path in folders for pair in self._paths.covering_outputs(path)}:
            for address, command in self._commands.items():
                known = address in self._ordering.observed or producer in self._ancestors(address)
                if address == producer or known or self._stages[producer].phase == FINISHED:
                    continue
                if _is_named(output, self._workflow.stages[address]):
                    command.unseen.setdefault(producer, output)

    def _note(self, paths: Collection[str], mask: int) -> None:
        if mask & inotify.OPEN and any(self._own_opens.take(path) for path in paths):
            return
        is_folder = bool(mask & inotify.IS_FOLDER)
        outputs = [pair for path in paths for pair in self._paths.covering_outputs(path)]
        declared = [pair for pair in outputs if self._is_declared(pair[1])]
        for output, producer in declared or outputs:
            # The engine and the producer list a folder to remove it; a reader opens its files, too.
            if not (is_folder and self._stages[producer].phase in (PREPARING, RUNNING)):
                self._note_output(output, producer, mask)
        if outputs:
            return
        if not mask & inotify.OPEN:
            self._note_passed_on(paths)
            return
        for path in paths:
            if is_folder:
                self._note_listing(path)
            elif path in self._paths.tracked:
                for command in self._commands.values():
                    command.reads.add(path)

    def _note_passed_on(self, paths: Collection[str]) -> None:
        """Note the read of a file that another stage has written and none declares."""
        for path in paths:
            for address, command in self._commands.items():
                for writer in self._written.get(path, set()) - {address}:
                    command.passed_on.setdefault(writer, path)

    def _is_declared(self, producer: str) -> bool:
        """Return whether a running stage is known to read the outputs of a producer."""
        return any(
            producer in self._workflow.upstream[address] or producer in self._ordering.needs[address]
            for address in self._commands
        )

    def _note_output(self, output: str, producer: str, mask: int) -> None:
        state = self._stages[producer]
        for address, command in self._commands.items():
            if address == producer:
                command.own |= bool(mask & inotify.CLOSE_UNWRITTEN)
            else:
                if mask & inotify.OPEN:
                    command.reads.add(output)
                if producer not in self._place or producer in self._ancestors(address):
                    continue
                if state.phase == SAVING:
                    if mask & inotify.OPEN:
                        command.saving.setdefault(producer, output)
                elif self._is_doubtful(address, command, producer, state, mask):
                    command.stale.setdefault(producer, output)

    def _is_doubtful(
        self, address: str, command: Command, producer: str, state: StageProgress, mask: int
    ) -> bool:
        """Return whether a report may be a read of an output that is not final."""
        if state.phase == RUNNING:
            explained = producer in self._rereading and address in self._ordering.observed
            return bool(mask & inotify.CLOSE_UNWRITTEN) and not explained
        if not mask & inotify.OPEN:
            return False
        if state.phase == FINISHED:
            # A stage that is known to read it explains the report; the output is final for all.
            return state.finished > command.since and not self._is_declared(producer)
        return self._place[producer] < self._place[address] or state.phase == PREPARING

    def _note_listing(self, folder: str) -> None:
        """Note a listed folder: its reader does not see an output that is missing.

        Python lists the folders from which it imports, so these do not count, nor do stages whose reads
        are known.
        """
        if self._paths.is_imported_from(folder):
            return
        for _, producer in self._paths.outputs_in(folder):
            state = self._stages[producer]
            for address, command in self._commands.items():
                if address != producer and address not in self._ordering.observed:
                    unfinished = state.phase not in (FINISHED, SAVING)
                    earlier = self._place.get(producer, 0) < self._place[address]
                    if unfinished and earlier and producer not in self._ancestors(address):
                        command.stale.setdefault(producer, folder or "the top folder")

    def _watched_name(self, path: str) -> str | None:
        """Return the name of a path in events, while stages run and if it can be in one."""
        if not self._commands:
            return None
        name = self._paths.relative(path)
        return name if name is not None and self._paths.is_watched(name) else None


def _is_named(output: str, stage: Stage) -> bool:
    """Return whether the command of a stage names a path, or one inside of it."""
    names = {output, os.path.relpath(output, stage.wdir)}
    pattern = rf"(?<![\w./-])(?:\./)?(?:{'|'.join(map(re.escape, sorted(names)))})(?![\w.-])"
    return any(re.search(pattern, command) for command in stage.cmd)


def open_watch(
    root: Path,
    workflow: Workflow,
    ordering: Ordering,
    *,
    rereading: Iterable[str] = (),
    tracked: Iterable[str] = (),
) -> tuple[Watch | None, str | None]:
    """Return a watch, or None and the reason why this system cannot watch."""
    try:
        return Watch(root, workflow, ordering, rereading=rereading, tracked=tracked), None
    except OSError as error:
        return None, str(error.strerror or error)
