"""Results through a DVC remote: a local folder, S3 and HTTP, whole and broken."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from dvc_objects.fs.local import FsspecLocalFileSystem
from local_runs import counting, reproduce, run_local
from remote_stores import clone, http_server, make_origin, s3_section, s3_server
from toys import commit, lock_files, write

from statewright import session
from statewright.repository.rates import ASSUMED, read_rate, save_rate
from statewright.request import Request
from statewright.running.limits import Limits
from statewright.running.sharing import Shared
from statewright.session import open_session, predict
from statewright.transition import Result

PUSH, PULL, BOTH = Request(push=True), Request(pull=True), Request(pull=True, push=True)


@dataclass(frozen=True)
class Team:
    """A repository whose results were pushed, and the lock of a serial ``dvc repro``."""

    origin: Path
    lock: dict[str, bytes]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_server() as address:
        yield address


def make_team(folder: Path, section: str) -> Team:
    origin = make_origin(folder / "origin", section)
    with counting(folder):
        serial = clone(origin, folder / "serial")
        assert reproduce(serial) == 0
        result = run_local(clone(origin, folder / "ana"), 1, PUSH)
    assert set(result.outcomes.values()) == {"ran"}
    assert lock_files(folder / "ana") == lock_files(serial)
    return Team(origin, lock_files(serial))


@pytest.fixture(scope="module", params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def team(request: pytest.FixtureRequest, address: str, tmp_path_factory: pytest.TempPathFactory) -> Team:
    folder = tmp_path_factory.mktemp(request.param)
    local = f"    url = {folder / 'store'}\n"
    return make_team(folder, local if request.param == "local" else s3_section(address, "results"))


def shared(result: Result) -> Shared:
    assert result.shared is not None
    return result.shared


def test_a_colleague_restores_everything_with_the_fewest_bytes(team: Team, tmp_path: Path) -> None:
    ben = clone(team.origin, tmp_path / "ben")
    plan = open_session(ben, PULL).plan
    assert {(d.verdict, d.words) for d in plan.decisions.values()} == {("restore", "restore (remote)")}
    with counting(tmp_path) as ran:
        result = run_local(ben, 1, BOTH)
    assert ran == {}
    assert set(result.outcomes.values()) == {"restored"}
    assert lock_files(ben) == team.lock
    # prep.csv is also model/a, and m.json is model/b: each content once, and the list of the folder.
    contents = [(ben / name).read_bytes() for name in ("prep.csv", "model/b")]
    listed = [path.read_bytes() for path in (ben / ".dvc" / "cache" / "files").rglob("*.dir")]
    least = sum(map(len, contents + listed))
    lines = "\n".join(shared(result).lines)
    assert f"fetched from 'store': 3 files, {least} bytes, of 2 stages" in lines
    assert "pushed" not in lines
    assert shared(result).unpushed == 0


def test_the_plan_says_bytes_seconds_and_where_the_rate_comes_from(team: Team, tmp_path: Path) -> None:
    ben = clone(team.origin, tmp_path / "ben")
    opened = open_session(ben, PULL)
    fetch = opened.plan.as_dict()["stages"]["prep"]["fetch"]
    assert fetch.pop("seconds") > 0
    assert fetch == {"remote": "store", "bytes": 8, "rate": "assumed"}
    few = predict(opened, Limits(workers=1)).schedule.makespan
    save_rate(ben, "store", 2_000_000, 4e6)  # half a byte a second
    opened = open_session(ben, PULL)
    assert opened.plan.as_dict()["stages"]["prep"]["fetch"]["rate"] == "measured"
    assert predict(opened, Limits(workers=1)).schedule.makespan > few + 8 / 0.5
    assert {d.verdict for d in open_session(ben, Request()).plan.decisions.values()} != {"restore"}


def test_only_the_results_of_the_plan_are_fetched(team: Team, tmp_path: Path) -> None:
    ben = clone(team.origin, tmp_path / "ben")
    write(ben, {"params.yaml": "lr: 2\n"})
    plan = open_session(ben, PULL).plan
    assert {a: d.words for a, d in plan.decisions.items()} == {
        "prep": "restore (remote)",
        "train": "must",
        "report": "may",
    }
    with counting(tmp_path) as ran:
        run_local(ben, 1, PULL)
    assert ran == {"train": 1, "report": 1}
    runs = list((ben / ".dvc" / "cache" / "runs").glob("*/*/*"))
    assert len(runs) == 3  # that of prep, and two of its own


def test_recorded_outputs_are_fetched_and_lost_ones_are_made(team: Team, tmp_path: Path) -> None:
    ben = clone(team.origin, tmp_path / "ben")
    (ben / "dvc.lock").write_bytes(team.lock["dvc.lock"])
    write(ben, {"m.json": "1e-07\n"})
    plan = open_session(ben, PULL).plan
    assert [d.words for d in plan.decisions.values()] == ["restore (remote)", "restore (remote)", "skip"]
    with counting(tmp_path) as ran:
        result = run_local(ben, 1, PULL)
    assert (ran, result.outcomes) == ({}, {"prep": "restored", "train": "restored"})


def test_a_stage_whose_files_the_remote_has_lost_runs(tmp_path: Path) -> None:
    team = make_team(tmp_path, f"    url = {tmp_path / 'store'}\n")
    ben = clone(team.origin, tmp_path / "ben")
    (ben / "dvc.lock").write_bytes(team.lock["dvc.lock"])
    lists = list((tmp_path / "store" / "files").rglob("*.dir"))
    lists[0].unlink()
    plan = open_session(ben, PULL).plan
    assert {a: d.words for a, d in plan.decisions.items()}["train"] == "must"
    with counting(tmp_path) as ran:
        result = run_local(ben, 1, BOTH)
    assert (result.outcomes["prep"], ran["train"]) == ("restored", 1)
    assert lists[0].exists()  # pushed again
    assert lock_files(ben) == team.lock


def test_a_damaged_file_of_the_remote_is_never_used(tmp_path: Path) -> None:
    team = make_team(tmp_path, f"    url = {tmp_path / 'store'}\n")
    ben = clone(team.origin, tmp_path / "ben")
    listed = next((tmp_path / "store" / "files").rglob("*.dir"))
    part = json.loads(listed.read_text())[1]["md5"]
    damaged = listed.parents[1] / part[:2] / part[2:]
    damaged.chmod(0o644)
    damaged.write_text("half a fi")
    with counting(tmp_path) as ran:
        result = run_local(ben, 1, PULL)
    assert (result.outcomes["train"], ran["train"]) == ("ran", 1)
    assert f"train was not restored: {part} of the remote 'store' is damaged" in shared(result).problems
    assert lock_files(ben) == team.lock


def test_a_run_with_another_name_than_its_contents_is_not_taken(tmp_path: Path) -> None:
    team = make_team(tmp_path, f"    url = {tmp_path / 'store'}\n")
    ben = clone(team.origin, tmp_path / "ben")
    for path in (tmp_path / "store" / "runs").glob("*/*/*"):
        path.chmod(0o644)
        path.write_text(path.read_text().replace("path: prep.csv", "path: ../prep.csv"))
    assert open_session(ben, PULL).plan.decisions["prep"].verdict == "must"


def failing(store: Path, error: OSError, methods: tuple[str, ...]) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a function that lets methods of local files fail below `store`."""

    def patch(patch: pytest.MonkeyPatch) -> None:
        for name in methods:
            original = getattr(FsspecLocalFileSystem, name)

            def fail(self: Any, *paths: Any, original: Any = original, **options: Any) -> Any:
                if any(str(path).startswith(str(store)) for path in paths):
                    raise error
                return original(self, *paths, **options)

            patch.setattr(FsspecLocalFileSystem, name, fail)

    return patch


@pytest.mark.parametrize(
    ("error", "methods"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ("put_file",)),
        (ConnectionResetError("Connection reset by peer"), ("put_file", "exists", "ls", "open")),
    ],
    ids=["full", "gone"],
)
def test_a_full_or_lost_remote_loses_nothing(
    tmp_path: Path, error: OSError, methods: tuple[str, ...]
) -> None:
    origin = make_origin(tmp_path / "origin", f"    url = {tmp_path / 'store'}\n")
    ana = clone(origin, tmp_path / "ana")
    with counting(tmp_path) as ran, pytest.MonkeyPatch.context() as patch:
        failing(tmp_path / "store", error, methods)(patch)
        result = run_local(ana, 1, BOTH)
    assert (set(result.outcomes.values()), set(ran.values())) == ({"ran"}, {1})
    assert shared(result).unpushed == 3
    assert any(p.startswith("not pushed: prep: ") and str(error) in p for p in shared(result).problems)
    assert "`statewright run --push`" in shared(result).problems[-1]
    assert session.run(ana, PUSH, verbosity=-1) == 0  # no stage has work; what was left is pushed
    assert not (ana / ".statewright" / "unpushed.jsonl").exists()
    ben = clone(origin, tmp_path / "ben")
    with counting(tmp_path) as ran:
        run_local(ben, 1, PULL)
    assert ran == {}
    assert lock_files(ben) == lock_files(ana)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        pytest.param(
            s3_section("http://127.0.0.1:9", "x"),
            "cannot be reached: Could not connect to the endpoint URL",
            marks=pytest.mark.slow,
        ),
        ("    url = http://127.0.0.1:9/x\n", "cannot be reached: Cannot connect to host 127.0.0.1:9"),
    ],
    ids=["s3", "http"],
)
def test_without_its_remote_a_run_says_so_once_and_goes_on(
    tmp_path: Path, section: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ana = clone(make_origin(tmp_path / "origin", section), tmp_path / "ana")
    with counting(tmp_path):
        result = run_local(ana, 1, BOTH)
    assert set(result.outcomes.values()) == {"ran"}
    said = capsys.readouterr().err
    assert said.count(reason) == 1
    assert said.count("nothing is fetched or pushed") == 1


def test_http_exchanges_recorded_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with http_server(tmp_path / "store") as address:
        origin = make_origin(tmp_path / "origin", f"    url = {address}\n    method = PUT\n")
        with counting(tmp_path):
            result = run_local(origin, 1, BOTH)
            assert "pushed to 'store': 3 files" in shared(result).lines[0]
            commit(origin)
            ben = clone(origin, tmp_path / "ben")
        with counting(tmp_path) as ran:
            result = run_local(ben, 1, PULL)
        assert (ran, result.outcomes) == ({}, {"prep": "restored", "train": "restored"})
    assert "cannot list files, so recorded outputs are exchanged" in capsys.readouterr().err


def test_an_output_that_must_not_be_pushed_stays(tmp_path: Path) -> None:
    stages = """
        stages:
          a:
            cmd: echo a >> "$RAN"; cp raw.csv a.csv; cp raw.csv private.csv; echo 1 >> private.csv
            deps: [raw.csv]
            outs: [a.csv, {private.csv: {push: false}}]
        """
    origin = make_origin(tmp_path / "origin", f"    url = {tmp_path / 'store'}\n", stages)
    with counting(tmp_path):
        result = run_local(origin, 1, PUSH)
    assert shared(result).lines == ["pushed to 'store': 1 file, 4 bytes, of 1 stage"]
    assert not (tmp_path / "store" / "runs").exists()


def test_a_rate_is_measured_by_large_transfers_only(tmp_path: Path) -> None:
    save_rate(tmp_path, "store", 999, 1.0)
    assert (read_rate(tmp_path, "store").value, read_rate(tmp_path, "store").source) == (ASSUMED, "assumed")
    save_rate(tmp_path, "store", 4_000_000, 2.0)
    save_rate(tmp_path, "store", 4_000_000, 1.0)
    assert read_rate(tmp_path, "store").value == pytest.approx(6_000_000 / 2.0)
    assert replace(read_rate(tmp_path, "other")).measured is False
