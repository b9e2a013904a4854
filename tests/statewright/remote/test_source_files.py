"""Source files travel as git has them, and a checkout holds nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import commit, make_repository, write

from statewright.git import git
from statewright.remote.checkout import NoSourceError, WorkerFolder
from statewright.remote.output_stream import BURST_BYTES, OutputStream
from statewright.remote.request import RemoteStore, SourceName, StageAnswer, StageRequest
from statewright.remote.source import take_source
from statewright.workflow import WorkflowError


def _files(top: Path) -> dict[str, str]:
    left_out = {".git", ".dvc"}
    return {
        path.relative_to(top).as_posix(): path.read_text()
        for path in sorted(top.rglob("*"))
        if path.is_file() and not left_out & set(path.relative_to(top).parts)
    }


def test_checkout_holds_the_files_on_disk_and_no_output(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "repository",
        {
            "code.py": "old\n",
            "gone.py": "gone\n",
            "metrics.json": "{}\n",
            "made/out.txt": "out\n",
            ".gitignore": "/secret.env\n",
        },
    )
    head = commit(root)
    write(root, {"code.py": "new\n", "untracked.py": "untracked\n", "secret.env": "KEY=1\n"})
    (root / "gone.py").unlink()
    status = git(root, "status", "--porcelain")
    source = take_source(root, ["metrics.json", "made", "../elsewhere"])
    assert git(root, "status", "--porcelain") == status
    assert git(root, "cat-file", "-t", source.name.tree) == "", "nothing is added to the user's repository"

    worker = WorkerFolder(tmp_path / "worker")
    with pytest.raises(NoSourceError), worker.slot(source.name):
        pass
    worker.keep_source(source.name, source.pack)
    expected = {".gitignore": "/secret.env\n", "code.py": "new\n", "untracked.py": "untracked\n"}
    expected[".dvcignore"] = (root / ".dvcignore").read_text()
    with worker.slot(source.name) as slot, worker.slot(source.name) as second:
        assert slot.top != second.top, "two stages never share a checkout"
        assert _files(slot.top) == _files(second.top) == expected
        assert git(slot.top, "rev-parse", "HEAD").strip() == head
        write(slot.top, {"code.py": "changed by a stage\n", "left/over.txt": "x\n", "secret.env": "x\n"})
        (slot.top / "untracked.py").unlink()
        used = slot.top
    with worker.slot(source.name) as first, worker.slot(source.name) as second:
        assert used in (first.top, second.top)
        assert _files(first.top) == _files(second.top) == expected


def test_checkout_follows_a_new_source(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", {"below/code.py": "1\n"})
    worker = WorkerFolder(tmp_path / "worker")
    seen = []
    for text in ("1\n", "2\n"):  # without any commit
        write(root, {"below/code.py": text})
        source = take_source(root, [])
        worker.keep_source(source.name, source.pack)
        with worker.slot(source.name) as slot:
            seen.append((slot.top / "below/code.py").read_text())
    assert seen == ["1\n", "2\n"]
    assert source.name.commit == ""


def test_source_needs_git(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="`git init` creates one"):
        take_source(tmp_path, [])


def test_messages_are_plain_data() -> None:
    request = StageRequest(
        address="train",
        token="1",
        topic="t",
        source=SourceName("a", "b"),
        store=RemoteStore("storage", {"url": "s3://b"}),
        entry={"cmd": "true", "outs": [{"path": "x"}]},
    )
    assert StageRequest.from_dict(request.as_dict()) == request
    answer = StageAnswer("1", "ran", "host", "tcp://127.0.0.1:1", log=b"x")
    assert StageAnswer.from_dict(answer.as_dict()) == answer


def test_output_is_bounded_and_says_what_is_left_out() -> None:
    sent: list[str] = []
    stream = OutputStream(lambda lines, _: sent.extend(lines), ["hunter2secret"])
    stream.output(["password hunter2secret"], "")
    for number in range(10_000):
        stream.output([f"line {number} {'x' * 90}"], "")
    stream.flush(last=True)
    assert sent[0].startswith("password") and "hunter2secret" not in sent[0]
    assert sum(len(line) + 1 for line in sent) < 2 * BURST_BYTES
    assert "lines left out here" in sent[-1]
