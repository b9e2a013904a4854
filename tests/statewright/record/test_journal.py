"""Journals: complete after a kill, and read while they are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from statewright.record import journal
from statewright.record.journal import Journal, messages, pending, pending_runs


def read(root: Path) -> list[dict[str, object]]:
    (path,) = pending(root)
    return list(messages(path, follow=False))


def test_messages_are_read_in_their_order_with_ids(tmp_path: Path) -> None:
    writer = Journal(tmp_path, {"uri": ""})
    assert pending(tmp_path) == []
    for number in range(3):
        writer.append({"do": "stage", "number": number, "text": "é\n" * number})
    assert [m.get("number") for m in read(tmp_path)] == [None, 0, 1, 2]
    opening, *rest = read(tmp_path)
    assert opening["do"] == "open" and opening["uri"] == ""
    assert len({m["id"] for m in rest}) == 3
    assert rest[2]["text"] == "é\né\n"


def test_a_journal_is_complete_when_it_is_closed(tmp_path: Path) -> None:
    writer = Journal(tmp_path, {})
    writer.append({"do": "stage"})
    assert len(pending(tmp_path)) == 1 and pending(tmp_path, complete=True) == []
    writer.close()
    assert pending(tmp_path, complete=True) == pending(tmp_path)


WRITER = """
import sys
from pathlib import Path
from statewright.record.journal import Journal
journal = Journal(Path(sys.argv[1]), {})
journal.append({"do": "stage", "n": 1})
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_closed_journal_is_complete_although_a_fork_holds_its_file(tmp_path: Path) -> None:
    writer = Journal(tmp_path, {})
    writer.append({"do": "start"})
    assert writer._file is not None
    inherited = os.dup(writer._file)  # as in a child between fork and exec
    writer.close()
    assert pending(tmp_path, complete=True) == pending(tmp_path) != []
    os.close(inherited)


def test_a_journal_is_complete_when_its_writer_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    assert pending(tmp_path, complete=True) == []
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(pending(tmp_path, complete=True)) == 1
    assert read(tmp_path)[1]["n"] == 1


def test_a_reader_follows_a_journal_until_it_is_complete(tmp_path: Path) -> None:
    writer = Journal(tmp_path, {})
    writer.append({"do": "stage", "n": 0})
    seen: list[dict[str, object]] = []
    first = threading.Event()

    def follow() -> None:
        for message in messages(pending(tmp_path)[0], follow=True):
            seen.append(message)
            first.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert first.wait(10)
    writer.append({"do": "end", "n": 1})
    writer.close()
    reader.join(10)
    assert not reader.is_alive()
    assert [message.get("n") for message in seen] == [None, 0, 1]


def test_a_line_that_a_full_disk_cut_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Journal(tmp_path, {})
    writer.append({"n": 0})
    write = os.write

    def cut(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", cut)
    with pytest.raises(OSError, match="No space left"):
        writer.append({"n": 1})
    monkeypatch.setattr(os, "write", write)
    writer.append({"n": 2})
    assert [message.get("n") for message in read(tmp_path)] == [None, 0, 2]


def test_a_held_file_keeps_its_content(tmp_path: Path) -> None:
    """DVC removes an output before the stage runs again; the new file is another one."""
    path = tmp_path / "page.html"
    path.write_text("first")
    writer = Journal(tmp_path, {})
    held = writer.hold(path, "folder", "epoch")
    path.unlink()
    path.write_text("second")
    assert Path(held.path).read_text() == "first" and Path(held.path).name == "page.html"
    assert held.is_unchanged() and (held.folder, held.x) == ("folder", "epoch")
    writer.append({"do": "stage"})
    journal.remove(pending(tmp_path)[0])
    assert not Path(held.path).exists() and path.read_text() == "second"

    """Keep the content if the output changes; open no output to record it."""
    """Keep the content if the output changes in place, and open no output to record it."""
    path = tmp_path / "page.html"
    path.write_text("first")
    held = Journal(tmp_path, {}).hold(path)
    path.write_text("second")
    assert held.is_unchanged() and Path(held.path).read_text() == "first"
    assert not Path(held.path).samefile(path)
    Path(held.path).write_text("changed")
    assert not held.is_unchanged()


def test_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("first")
    mine = Journal(tmp_path, {}).hold(path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = journal.journal_folder(tmp_path) / f"0-{ended.pid}"
    left.mkdir()
    journal.remove_leftovers(tmp_path)
    assert not left.exists() and Path(mine.path).exists()


def test_only_the_user_reads_a_journal(tmp_path: Path) -> None:
    Journal(tmp_path, {}).append({"params": {"token": "secret"}})
    assert pending(tmp_path)[0].stat().st_mode & 0o077 == 0


def test_completed_commands_of_pending_journals_the_newest_first(tmp_path: Path) -> None:
    for seconds in (1.0, 2.0):
        writer = Journal(tmp_path, {})
        for status in ("ran", "failed", "restored"):
            times = {"started": 10.0, "finished": 10.0 + seconds}
            done = {"stage": {"address": "sing"}, "status": status, **times}
            writer.append({"do": "stage", "done": done})
        writer.close()
    runs = list(pending_runs(tmp_path))
    assert [(run.stage, run.seconds) for run in runs] == [("sing", 2.0), ("sing", 1.0)]
    assert len({run.record for run in runs}) == 2


def test_a_problem_is_taken_once(tmp_path: Path) -> None:
    Journal(tmp_path, {}).append({})
    journal.write_problem(tmp_path, "the store is down")
    assert journal.take_problem(tmp_path) == (
        "the store is down; 1 run waits in .statewright/records, and the next run records again"
    )
    assert journal.take_problem(tmp_path) is None
