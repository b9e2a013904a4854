"""Lines and logs of the output of a command, for any pieces in which it arrives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statewright.running import output
from statewright.running.output import LINE_BYTES, BoundedLog, LineReader, end_of_log, remove_old_logs

PIECES = st.lists(
    st.lists(st.sampled_from([b"a", b"b", b"\r", b"\n", b"\r\n", b"  "]), max_size=6).map(b"".join),
    max_size=12,
)


def line_on_screen(line: bytes) -> bytes:
    """Return what a terminal that clears a returned line shows of it."""
    return ([text for text in line.split(b"\r") if text] or [b""])[-1]


@given(PIECES)
def test_lines_do_not_depend_on_the_pieces(pieces: list[bytes]) -> None:
    reader = LineReader()
    lines = [line for piece in pieces for line in reader.feed(piece)]
    *expected, rest = b"".join(pieces).split(b"\n")
    assert lines == [line_on_screen(line).decode() for line in expected]
    assert reader.unfinished == line_on_screen(rest).decode()


def test_a_line_without_end_takes_no_more_memory() -> None:
    reader = LineReader()
    for _ in range(2000):
        assert reader.feed(b"x" * 65536) == []
        assert len(reader.unfinished) <= LINE_BYTES
    assert reader.feed(b"\nnext\n") == ["x" * LINE_BYTES, "next"]


def test_a_character_in_two_pieces_is_one_character() -> None:
    reader = LineReader()
    assert reader.feed("ä".encode()[:1]) == []
    assert reader.feed("ä".encode()[1:] + b"\n\xff\x00\x1b[31mred\n") == ["ä", "\ufffdred"]


@given(st.lists(st.integers(0, 5000).map(lambda n: b"line\n" * (n // 5) + b"x" * (n % 5)), max_size=30))
def test_a_log_has_beginning_end_and_a_line_between_them(pieces: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(output, "HEAD_BYTES", 2000)
        patch.setattr(output, "TAIL_BYTES", 3000)
        patch.setattr(output, "_SEARCHED", 100)
        log, everything = Path(folder, "a", "log"), b"".join(pieces)
        with BoundedLog(log) as sink:
            for piece in pieces:
                sink.write(piece)
        text = log.read_bytes()
        assert len(text) <= 2000 + 2 * 3000 + 100
        if len(everything) <= 2000 + 2 * 3000:
            assert text == everything
        if text == everything:
            return
        head, _, rest = text.partition(b"\n[statewright: ")
        number, _, tail = rest.partition(b" bytes of output are left out here]\n")
        assert everything.startswith(head) and everything.endswith(tail)
        assert len(head) >= 1900 and len(tail) >= 2900
        assert len(head) + int(number.replace(b",", b"")) + len(tail) == len(everything)


def test_the_end_of_a_log_is_read_without_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" * 1000 + b"10%\r20%\rdone\n\n")
    assert end_of_log(log, most=20)[-3:] == ["10%", "20%", "done"]
    assert len(end_of_log(log, most=20)) < 6


def test_logs_of_old_runs_are_removed(tmp_path: Path) -> None:
    runs = [f"20260101-00000{n}-000000" for n in range(5)]
    for name in [*runs, "mine", "20260101-notes"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "stage.log").write_text("x")
    (tmp_path / "prefect-server.log").write_text("x")
    remove_old_logs(tmp_path, keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {
        *runs[3:],
        "mine",
        "20260101-notes",
        "prefect-server.log",
    }
    remove_old_logs(tmp_path / "absent")
