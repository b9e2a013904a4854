"""A failed stage keeps its record, and the hashes of its new inputs are dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from toys import dvc, inside, make_repository, run_here

from statewright.repository import declaration as engine
from statewright.repository import lock_writer

STAGES = """
stages:
  made: {cmd: cat in.txt > out.txt, deps: [in.txt], outs: [out.txt]}
  kept: {cmd: echo same > kept.txt, deps: [in.txt], outs: [kept.txt: {persist: true}]}
"""


@pytest.mark.parametrize("address", ["made", "kept"])
def test_after_a_failed_attempt_a_stage_must_run_again(tmp_path: Path, address: str) -> None:
    root = make_repository(tmp_path / "repo", {"dvc.yaml": STAGES, "in.txt": "one\n"})
    run_here(root)
    (root / "in.txt").write_text("two\n")
    writer = lock_writer.open_lock_writer(engine.open_repository(root), [address])
    recorded = lock_writer.recorded_hashes(writer, address)
    for _ in range(3):
        assert lock_writer.begin(writer, address) == "ready"
        lock_writer.abandon(writer, address)
        assert lock_writer.recorded_hashes(writer, address) == recorded


def test_outputs_that_are_not_in_the_cache_are_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "repo", {"dvc.yaml": STAGES, "in.txt": "one\n"})
    run_here(root)
    (root / "in.txt").write_text("two\n")
    writer = lock_writer.open_lock_writer(engine.open_repository(root), ["made"])
    assert lock_writer.begin(writer, "made") == "ready"
    (root / "out.txt").write_text("two\n")
    with monkeypatch.context() as patched:
        patched.setattr(type(writer.stages["made"]).commit, "__wrapped__", lambda stage, **_: None)
        with pytest.raises(OSError, match=r"out\.txt could not be copied into DVC's cache"):
            lock_writer.finish(writer, "made")
    lock_writer.abandon(writer, "made")
    assert lock_writer.begin(writer, "made") == "ready"


def test_temporary_files_of_a_killed_copy_are_removed_and_no_others(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"dvc.yaml": STAGES, "in.txt": "one\n"})
    others = {".mine.tmp", "Xht2LO1wWaXLAosjkUV6lQ.tmp", ".Xht2LO1wWaXLAosjkUV6lQ.tmp2"}
    for name in (".Xht2LO1wWaXLAosjkUV6lQ.tmp", ".-_t2LO1wWaXLAosjkUV6lQ.tmp", *others):
        (root / name).write_text("half")
    run_here(root)
    assert {path.name for path in root.iterdir() if ".tmp" in path.name} == others


@pytest.mark.parametrize("killed", [True, False])
def test_after_a_kill_new_entries_have_the_order_of_one_run(tmp_path: Path, killed: bool) -> None:
    """Keep the order of entries after failures, as DVC does."""
    stages = {name: f"  {name}: {{cmd: echo {name} > {name}.txt, outs: [{name}.txt]}}" for name in "abcd"}
    text = "\n".join(["stages:", *stages.values()]) + "\n"
    root, twin = (make_repository(tmp_path / name, {"dvc.yaml": text}) for name in ("ours", "twin"))
    assert dvc(twin, "repro") == 0

    def run(*addresses: str) -> lock_writer.LockWriter:
        writer = lock_writer.open_lock_writer(engine.open_repository(root), list("abcd"))
        lock_writer.begin_run(writer)
        for address in addresses:
            assert lock_writer.begin(writer, address) == "ready"
            (root / f"{address}.txt").write_text(f"{address}\n")
            lock_writer.finish(writer, address)
        return writer

    with inside(root):
        writer = run("d")
        if not killed:
            lock_writer.end_run(writer)
        writer = run("c", "a", *(["b"] if killed else []))
        lock_writer.end_run(writer)
        assert not (root / ".statewright" / lock_writer.UNFINISHED).exists()
    if killed:
        assert (root / "dvc.lock").read_bytes() == (twin / "dvc.lock").read_bytes()
    else:
        assert list(yaml.safe_load((root / "dvc.lock").read_text())["stages"]) == ["d", "a", "c"]
