"""Observation of opened files: the possible reader, and stale files."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from statewright.planning.ordering import order_stages
from statewright.running.inotify import CLOSE_UNWRITTEN, CREATED, IS_FOLDER, OPEN, OVERFLOWED, Inotify
from statewright.running.watch import Watch
from statewright.workflow import Output, Stage, Workflow

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify")

STAGES = {
    "made": Stage("made", ("x",), outs=(Output("data/made.csv"), Output("parts"))),
    "reader": Stage("reader", ("x",), outs=(Output("read.csv"),)),
    "later": Stage("later", ("x",), outs=(Output("later.csv"),)),
}
WORKFLOW = Workflow(STAGES, dict.fromkeys(STAGES, ()))
OpenWatch = Callable[..., Watch]


@pytest.fixture
def open_watch(tmp_path: Path) -> Iterator[OpenWatch]:
    for name in ("data/made.csv", "parts/in/1.csv", "read.csv", "later.csv", "src/lib.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    opened: list[Watch] = []

    def watch(
        observed: tuple[str, ...] = (),
        rereading: tuple[str, ...] = (),
        stages: Mapping[str, Stage] = types.MappingProxyType({}),
    ) -> Watch:
        workflow = Workflow({**STAGES, **stages}, WORKFLOW.upstream)
        ordering = order_stages(workflow, tuple(STAGES), {}, observed, 4)
        opened.append(Watch(tmp_path, workflow, ordering, rereading=rereading, tracked=["src/lib.py"]))
        return opened[-1]

    yield watch
    for one in opened:
        one.close()


def shell(folder: Path, command: str) -> None:
    """Run a command in another process, as a stage does."""
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)


def begin(watch: Watch, address: str) -> None:
    watch.prepare(address)
    watch.start(address)


def test_a_stage_alone_is_observed_exactly(tmp_path: Path, open_watch: OpenWatch) -> None:
    watch = open_watch()
    begin(watch, "made")
    watch.end("made")
    watch.finish("made")
    shell(tmp_path, "cat later.csv")  # before the command starts
    begin(watch, "reader")
    shell(tmp_path, "cat parts/in/1.csv src/lib.py > read.csv")
    (tmp_path / "data/made.csv").read_text()  # this process is not the stage

    observation = watch.end("reader")

    assert observation.exact
    assert observation.reads == {"parts", "src/lib.py"}
    assert not observation.stale
    assert not observation.own


def test_a_new_folder_of_an_output_is_watched(tmp_path: Path, open_watch: OpenWatch) -> None:
    watch = open_watch()
    begin(watch, "made")
    shell(tmp_path, "rm -r parts && mkdir -p parts/deep/er && echo 1 > parts/deep/er/2.csv")
    watch.end("made")
    watch.finish("made")
    begin(watch, "reader")
    shell(tmp_path, "cat parts/deep/er/2.csv")

    assert watch.end("reader").reads == {"parts"}


@pytest.mark.parametrize(
    ("command", "wdir", "observed", "unseen"),
    [
        ("cat parts/1.csv > read.csv", ".", (), {"made": "parts"}),
        ("cat ./parts/1.csv > read.csv", ".", (), {"made": "parts"}),
        ("cat ../parts/1.csv > read.csv", "data", (), {"made": "parts"}),
        ("cat parts/1.csv > read.csv", ".", ("reader",), {}),
        ("python -m parts.read other/parts --parts", ".", (), {}),
    ],
    ids=["named", "named below .", "named from a folder", "known reads", "not named"],
)
def test_files_that_appear_before_they_are_watched_make_a_reader_doubtful(
    tmp_path: Path,
    open_watch: OpenWatch,
    command: str,
    wdir: str,
    observed: tuple[str, ...],
    unseen: dict[str, str],
) -> None:
    watch = open_watch(observed, stages={"reader": replace(STAGES["reader"], cmd=(command,), wdir=wdir)})
    begin(watch, "made")
    shell(tmp_path, "rm -r parts")
    begin(watch, "reader")
    with watch._mutex:  # the thread that watches new folders comes too late
        shell(tmp_path, "mkdir parts && echo 1 > parts/1.csv && cat parts/1.csv > read.csv")
        observation = watch.end("reader")

    assert not observation.stale
    assert observation.unseen == unseen
    assert observation.is_doubtful == bool(unseen)


def test_an_empty_new_folder_makes_no_reader_doubtful(tmp_path: Path, open_watch: OpenWatch) -> None:
    watch = open_watch(stages={"reader": replace(STAGES["reader"], cmd=("ls parts",))})
    begin(watch, "made")
    shell(tmp_path, "rm -r parts")
    begin(watch, "reader")
    shell(tmp_path, "mkdir parts")

    assert not watch.end("reader").is_doubtful


@pytest.mark.parametrize("phase", ["waiting", "preparing", "running", "finished"])
def test_an_output_that_is_not_final_makes_its_reader_doubtful(
    tmp_path: Path, open_watch: OpenWatch, phase: str
) -> None:
    watch = open_watch()
    begin(watch, "reader")
    if phase != "waiting":
        watch.prepare("made")
    if phase in ("running", "finished"):
        watch.start("made")
        shell(tmp_path, "echo 2 > data/made.csv")
        assert not watch._commands["reader"].stale, "the producer only writes"
    if phase == "finished":
        watch.end("made")
        watch.finish("made")
    shell(tmp_path, "cat data/made.csv")

    observation = watch.end("reader")

    assert observation.stale == {"made": "data/made.csv"}
    assert not observation.exact or phase == "waiting"


def test_the_output_of_a_later_stage_is_as_old_as_in_a_serial_run(
    tmp_path: Path, open_watch: OpenWatch
) -> None:
    watch = open_watch()
    begin(watch, "reader")
    shell(tmp_path, "cat later.csv")

    assert not watch.end("reader").stale


@pytest.mark.parametrize(("observed", "stale"), [((), True), (("reader",), False)])
def test_a_producer_that_reads_its_own_output_explains_reads_of_observed_stages(
    tmp_path: Path, open_watch: OpenWatch, observed: tuple[str, ...], stale: bool
) -> None:
    alone = open_watch()
    begin(alone, "made")
    shell(tmp_path, "cat data/made.csv")
    assert alone.end("made").own

    watch = open_watch(observed=observed, rereading=("made",))
    begin(watch, "reader")
    begin(watch, "made")
    shell(tmp_path, "cat data/made.csv")

    assert bool(watch.end("reader").stale) == stale


@pytest.mark.parametrize("saved", [True, False])
def test_an_output_that_is_being_saved_is_final_only_if_that_succeeds(
    tmp_path: Path, open_watch: OpenWatch, saved: bool
) -> None:
    watch = open_watch()
    begin(watch, "reader")
    begin(watch, "made")
    watch.end("made")
    shell(tmp_path, "cat data/made.csv")
    watch.finish("made", failed=not saved)

    assert bool(watch.end("reader").stale) != saved


def test_a_listing_misses_outputs_that_are_not_made_yet(tmp_path: Path, open_watch: OpenWatch) -> None:
    watch = open_watch()
    begin(watch, "reader")
    shell(tmp_path, "ls data")
    assert watch.end("reader").stale == {"made": "data"}

    known = open_watch(observed=("reader",))
    begin(known, "reader")
    shell(tmp_path, "ls data")
    assert not known.end("reader").stale


def test_python_lists_the_folders_from_which_it_imports(tmp_path: Path, open_watch: OpenWatch) -> None:
    watch = open_watch()
    begin(watch, "later")
    subprocess.run([sys.executable, "-c", "import missing_module"], cwd=tmp_path, check=False, stderr=-3)

    assert not watch.end("later").stale


def test_the_kernel_reports_opens_and_lost_events(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    notify = Inotify()
    number = notify.add(str(tmp_path), OPEN | CLOSE_UNWRITTEN | CREATED)
    (tmp_path / "a").read_text()
    (tmp_path / "b").mkdir()

    events = [(event.watch, event.mask, event.name) for event in notify.read()]

    assert events == [
        (number, OPEN, "a"),
        (number, CLOSE_UNWRITTEN, "a"),
        (number, CREATED | IS_FOLDER, "b"),
    ]
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(limit):
        (tmp_path / "a").read_text()
    assert any(event.mask & OVERFLOWED for event in notify.read())
    assert list(notify.read()) == []
    with pytest.raises(FileNotFoundError):
        notify.add(str(tmp_path / "absent"), OPEN)
    notify.close()


def test_a_stage_that_ends_after_the_watch_does_no_harm(tmp_path: Path, open_watch: OpenWatch) -> None:
    watch = Watch(tmp_path, WORKFLOW, order_stages(WORKFLOW, tuple(STAGES), {}, (), 4))
    begin(watch, "reader")
    watch.close()
    descriptor = os.open(tmp_path / "kept", os.O_RDWR | os.O_CREAT)  # reuses a number
    os.write(descriptor, b"not an event of the kernel, and longer than sixteen bytes")
    os.lseek(descriptor, 0, os.SEEK_SET)

    assert not watch.end("reader").reads
    watch.finish("reader")

    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
    os.close(descriptor)


def test_too_many_folders_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statewright.running.watched_paths.MOST_WATCHES", 3)
    for number in range(5):
        (tmp_path / f"parts/{number}").mkdir(parents=True)
    watch = Watch(tmp_path, WORKFLOW, order_stages(WORKFLOW, tuple(STAGES), {}, (), 4))
    begin(watch, "reader")

    observation = watch.end("reader")

    assert not observation.exact
    assert watch.problem == "more than 3 folders"
    watch.close()
