"""Plans carried out by Prefect, in separate processes with a local server."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from toys import commit, dvc, dvc_status, lock_files, make_repository, statewright, verdicts

from statewright import transition as engine
from statewright.running.dispatch import demands_of, startable
from statewright.running.limits import Limits
from statewright.running.recorder import wait_until_recorded
from statewright.session import open_session
from statewright.workflow import Stage

HERE = Path(__file__).resolve().parents[2]

# OUT is a folder outside of the repository, where stages log their times.
STAGES = """
stages:
  left: {cmd: OUT/clock left 1.5 && echo left > left.txt, outs: [left.txt]}
  right: {cmd: OUT/clock right 1.5 && echo right > right.txt, outs: [right.txt]}
  join:
    cmd: OUT/clock join 0 && cat left.txt right.txt > join.txt
    deps: [left.txt, right.txt]
    outs: [join.txt]
  heavy-a: {cmd: OUT/clock heavy-a 0.5 && echo a > a.txt, outs: [a.txt], meta: {cpu: 2}}
  heavy-b: {cmd: OUT/clock heavy-b 0.5 && echo b > b.txt, outs: [b.txt], meta: {cpu: 2}}
  flaky:
    cmd: if [ ! -e OUT/tried ]; then touch OUT/tried; exit 7; fi; echo ok > flaky.txt
    outs: [flaky.txt]
    meta: {retries: 1, retry_delay_s: 0}
  broken:
    cmd: echo reading; echo no such song; exit 3; echo > broken.txt
    deps: [left.txt]
    outs: [broken.txt]
  below-broken: {cmd: cat broken.txt > below.txt, deps: [broken.txt], outs: [below.txt]}
  further-below:
    cmd: cat below.txt right.txt > further.txt
    deps: [below.txt, right.txt]
    outs: [further.txt]
  sleepy:
    cmd: sleep 300 & echo $! > OUT/child; sleep 300; echo > sleepy.txt
    outs: [sleepy.txt]
    meta: {timeout_s: 1}
  quiet: {cmd: echo always the same > quiet.txt, params: [loudness], outs: [quiet.txt]}
  listener:
    cmd: OUT/clock listener 0 && cp OUT/noise.json noise.json
    deps: [quiet.txt]
    metrics: [noise.json]
"""
CLOCK = """#!/bin/sh
date +%s.%N > OUT/$1.start; sleep $2; date +%s.%N > OUT/$1.end; echo $1 >> OUT/count
"""
HEALTHY = {"left", "right", "join", "heavy-a", "heavy-b", "flaky", "quiet", "listener"}


@dataclass(frozen=True)
class Ran:
    """Finished run: its output, and the logs of its stages."""

    root: Path
    out: Path
    done: subprocess.CompletedProcess[str]
    counted: tuple[str, ...]

    def times(self, stage: str) -> tuple[float, float]:
        start, end = (float((self.out / f"{stage}.{what}").read_text()) for what in ("start", "end"))
        return start, end


def ask(server: str, what: str, where: dict[str, Any]) -> list[dict[str, Any]]:
    """Query Prefect's API."""
    request = urllib.request.Request(
        f"{server}/{what}/filter",
        json.dumps(where).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        entries: list[dict[str, Any]] = json.load(answer)
        return entries


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Ran:
    """Run in which one stage fails, one times out and one succeeds on its retry."""
    out = tmp_path_factory.mktemp("transition")
    (out / "clock").write_text(CLOCK.replace("OUT", str(out)))
    (out / "clock").chmod(0o755)
    (out / "noise.json").write_text('{"rmse": 0.5}')
    files = {"dvc.yaml": STAGES.replace("OUT", str(out)), "params.yaml": "loudness: 1\n"}
    root = make_repository(out / "repo", files)
    commit(root)
    done = statewright(root, "run", "--workers", "2", "--name", "toy-first")
    assert (out / "count").exists(), done.stderr
    counted = tuple((out / "count").read_text().split())
    return Ran(root, out, done, counted)


@pytest.fixture(scope="module")
def second(first: Ran) -> Iterator[Ran]:
    """Run after all fixes, with an unreachable MLflow server."""
    path = first.root / "dvc.yaml"
    text = (
        path.read_text()
        .replace("exit 3; echo", "echo")
        .replace("sleep 300; echo", "echo")
        .replace("sleep 300 &", "sleep 0 &")
    )
    path.write_text(text)
    (first.root / "params.yaml").write_text("loudness: 2\n")
    other = first.root.parent / "other"
    shutil.copytree(first.root, other)
    shutil.rmtree(other / ".dvc" / "tmp", ignore_errors=True)
    (first.out / "count").unlink()
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = statewright(first.root, "run", "--workers", "2", "--name", "toy-second", environment=nowhere)
    counted = tuple((first.out / "count").read_text().split()) if (first.out / "count").exists() else ()
    yield Ran(first.root, first.out, done, counted)


class TestFirstRun:
    pytestmark = pytest.mark.slow

    def test_its_status_is_1(self, first: Ran) -> None:
        assert first.done.returncode == 1, first.done.stderr

    def test_independent_stages_run_in_parallel(self, first: Ran) -> None:
        (left, left_end), (right, right_end) = first.times("left"), first.times("right")
        assert max(left, right) < min(left_end, right_end)

    def test_a_stage_waits_for_its_inputs(self, first: Ran) -> None:
        assert first.times("join")[0] >= max(first.times("left")[1], first.times("right")[1])

    def test_stages_that_demand_all_cores_do_not_run_in_parallel(self, first: Ran) -> None:
        for heavy in ("heavy-a", "heavy-b"):
            start, end = first.times(heavy)
            for other in {"left", "right", "join", "heavy-a", "heavy-b", "listener"} - {heavy}:
                other_start, other_end = first.times(other)
                assert end <= other_start or other_end <= start, (heavy, other)

    def test_a_failure_stops_the_stages_downstream_only(self, first: Ran) -> None:
        planned = verdicts(first.root)
        assert {stage for stage, verdict in planned.items() if verdict == "skip"} == HEALTHY
        assert all(part in first.done.stderr for part in ("8 ran", "2 failed", "2 blocked"))

    def test_the_error_names_stage_cause_and_log(self, first: Ran) -> None:
        lines = first.done.stderr.splitlines()
        begin = lines.index("stage 'broken' ended with status 3:")
        assert lines[begin + 1 : begin + 3] == ["  | reading", "  | no such song"]
        assert Path(lines[begin + 3].removeprefix("log: ")).read_text() == "reading\nno such song\n"
        assert "below-broken: blocked: needs broken" in first.done.stderr
        assert "further-below: blocked: needs broken" in first.done.stderr
        assert "fix the error and run again; completed stages are skipped" in first.done.stderr

    def test_a_stage_is_retried_as_meta_says(self, first: Ran) -> None:
        assert (first.root / "flaky.txt").read_text() == "ok\n"
        assert "flaky: ran" in first.done.stderr

    def test_a_stage_after_its_timeout_is_stopped_with_its_children(self, first: Ran) -> None:
        assert "stage 'sleepy' did not end within 1 s; log: " in first.done.stderr
        child = int((first.out / "child").read_text())
        stat = Path(f"/proc/{child}/stat")
        assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"

    def test_prefect_shows_a_task_run_with_the_name_of_each_stage(
        self, first: Ran, prefect_server: str
    ) -> None:
        (flow,) = ask(prefect_server, "flow_runs", {"flows": {"name": {"any_": ["repo: toy-first"]}}})
        assert flow["state_type"] == "FAILED"
        tasks = ask(prefect_server, "task_runs", {"flow_runs": {"id": {"any_": [flow["id"]]}}})
        states = {task["name"]: task["state_type"] for task in tasks}
        assert states == dict.fromkeys(HEALTHY, "COMPLETED") | {
            "broken": "FAILED",
            "sleepy": "FAILED",
            "below-broken": "CANCELLED",
            "further-below": "CANCELLED",
        }
        assert {t["state_name"] for t in tasks if t["state_type"] == "CANCELLED"} == {"Blocked"}
        assert {task["name"]: task["run_count"] for task in tasks}["flaky"] == 2

    def test_mlflow_has_a_parent_run_and_a_child_for_each_stage(
        self, first: Ran, prefect_server: str
    ) -> None:
        from mlflow import MlflowClient

        assert wait_until_recorded(first.root) is None
        client = MlflowClient(tracking_uri=f"sqlite:///{first.root}/.statewright/mlflow/mlflow.db")
        experiment = client.get_experiment_by_name("repo")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        (parent,) = [run for run in runs if run.data.tags["statewright.kind"] == "transition"]
        (flow,) = ask(prefect_server, "flow_runs", {"flows": {"name": {"any_": ["repo: toy-first"]}}})
        assert parent.info.status == "FAILED"
        assert parent.data.tags["prefect.flow_run"] == flow["id"]
        assert flow["id"] in parent.data.tags["prefect.link"]
        assert parent.data.metrics["rmse"] == 0.5
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        finished = {run.info.run_name for run in children if run.info.status == "FINISHED"}
        assert finished == HEALTHY
        failed = [run.info.run_name for run in children if run.info.status == "FAILED"]
        assert sorted(set(failed)) == ["broken", "flaky", "sleepy"]

    def test_recorded_durations_predict_the_next_run(self, first: Ran) -> None:
        from statewright.record.history import past_seconds, widened_range

        past = past_seconds(first.root)
        assert set(past) == HEALTHY
        low, high = widened_range(past["left"])
        assert 0.75 <= low < 1.5 <= high < 40  # one run: half and twice of what it took


class TestSecondRun:
    pytestmark = pytest.mark.slow

    def test_it_resumes_after_the_first_run(self, second: Ran) -> None:
        assert second.done.returncode == 0, second.done.stderr
        assert (second.root / "further.txt").read_text() == "\nright\n"

    def test_equal_bytes_end_the_work_early(self, second: Ran) -> None:
        assert "quiet: ran" in second.done.stderr
        assert "listener: skipped" in second.done.stderr
        assert second.counted == ()

    def test_an_unreachable_store_stops_nothing_and_is_reported_by_the_next_command(
        self, second: Ran
    ) -> None:
        problem = wait_until_recorded(second.root)
        assert problem is not None and "http://127.0.0.1:9 does not answer" in problem
        assert "1 run waits in .statewright/records" in problem

    def test_dvc_finds_nothing_to_do(self, second: Ran) -> None:
        assert dvc_status(second.root) == {}

    def test_the_lock_equals_that_of_dvc_repro_after_parallel_stages(self, second: Ran) -> None:
        other = second.root.parent / "other"
        assert dvc(other, "repro", "--quiet") == 0
        assert lock_files(second.root) == lock_files(other)

    def test_with_nothing_to_do_no_flow_starts(self, second: Ran, prefect_server: str) -> None:
        done = statewright(second.root, "run", "--name", "toy-third")
        assert done.returncode == 0
        assert "nothing to do: 12 stages are up to date" in done.stderr
        assert ask(prefect_server, "flows", {"flows": {"name": {"any_": ["repo: toy-third"]}}}) == []


# Stages that fit in parallel, without Prefect.


def stage(**meta: float) -> Stage:
    return Stage("s", ("x",), meta=meta)


@pytest.mark.parametrize(
    ("new", "running", "limits", "expected"),
    [
        ({}, [{}], Limits(2), True),
        ({}, [{}, {}], Limits(2), False),
        ({"cpu": 2}, [{}], Limits(2), False),
        ({"cpu": 2}, [], Limits(1), True),
        ({"cpu": 0.5}, [{"cpu": 1.5}], Limits(2), True),
        ({"cpu": 0}, [{}, {}], Limits(2), True),
        ({"gpu": 1}, [{}], Limits(4, gpu=0), False),
        ({}, [{"gpu": 1}], Limits(4, gpu=0), False),
        ({"gpu": 1}, [{}], Limits(4, gpu=1), True),
        ({"gpu": 1}, [{"gpu": 1}], Limits(4, gpu=1), False),
        ({"ram_gb": 6}, [{"ram_gb": 3}], Limits(4, ram_gb=9), True),
        ({"ram_gb": 6}, [{"ram_gb": 3}], Limits(4, ram_gb=8), False),
        ({"ram_gb": 5}, [{"ram_gb": 3}], Limits(4, ram_gb=8), True),
        ({}, [{"ram_gb": 7.5}], Limits(4, ram_gb=8), False),
        ({"ram_gb": 1e6}, [{}], Limits(4), False),
    ],
)
def test_stages_that_fit_in_parallel(
    new: dict[str, float], running: list[dict[str, float]], limits: Limits, expected: bool
) -> None:
    others = {str(number): stage(**meta) for number, meta in enumerate(running)}
    demands = demands_of({"s": stage(**new), **others})
    assert list(startable(["s"], others, demands, limits)) == (["s"] if expected else [])


def test_thousands_of_ready_stages_are_not_visited_while_no_core_is_free() -> None:
    class Counted(list[str]):
        visits = 0

        def __iter__(self) -> Iterator[str]:
            for item in super().__iter__():
                self.visits += 1
                yield item

    ready = Counted(str(number) for number in range(1, 5000))
    demands = demands_of({name: stage() for name in ["0", *ready]})
    ready.visits = 0
    assert list(startable(ready, ["0"], demands, Limits(3))) == ["1", "2"]
    assert ready.visits == 3


@pytest.mark.parametrize(
    ("named", "expected"), [("", 0), ("-1", 0), ("0", 1), ("0,1", 2), ("GPU-3f,GPU-91", 2)]
)
def test_only_visible_gpus_count(named: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert Limits(1).gpu == expected


@pytest.mark.end_to_end
def test_modules_of_the_repository_do_not_replace_those_of_the_engine(
    tmp_path: Path, prefect_server: str
) -> None:
    shadow = "raise SystemExit('wrong module')\n"
    files = {
        "dvc.yaml": "stages:\n  left: {cmd: echo left > left.txt, outs: [left.txt]}\n",
        **dict.fromkeys(("queue.py", "json.py", "mlflow/__init__.py"), shadow),
    }
    root = make_repository(tmp_path / "theirs", files)
    command = str(Path(sys.executable).with_name("statewright"))
    done = subprocess.run([command, "run"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (root / "left.txt").read_text() == "left\n"
    assert "record is incomplete" not in done.stderr


@pytest.mark.slow
def test_stages_with_unusual_names(tmp_path: Path, prefect_server: str) -> None:
    """Run names with braces (templates), brackets (markup) and 260 characters."""
    keys = ["{x}", "[red]", "a%b", "<q>", "d/e", "ü ñ", "l" * 260]
    each = {"foreach": keys, "do": {"cmd": "echo '${item}' >> all", "outs": []}}
    root = make_repository(tmp_path / "repo", {"dvc.yaml": json.dumps({"stages": {"each": each}})})
    done = statewright(root, "run", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "record is incomplete" not in done.stderr
    assert sorted((root / "all").read_text().splitlines()) == sorted(keys)


AGAIN = """
stages:
  made:
    cmd: cat in.txt > out.txt; grep -q good in.txt
    deps: [in.txt]
    outs: [out.txt]
    meta: {retries: 1, retry_delay_s: 0}
  kept:
    cmd: echo same > kept.txt; grep -q good in.txt
    deps: [in.txt]
    outs: [kept.txt: {persist: true}]
    meta: {retries: 1, retry_delay_s: 0}
"""


@pytest.mark.slow
def test_a_stage_that_fails_twice_is_not_restored(tmp_path: Path, prefect_server: str) -> None:
    """Fail the second attempt too, although the first has read the new inputs."""
    root = make_repository(tmp_path / "repo", {"dvc.yaml": AGAIN, "in.txt": "good\n"})
    assert statewright(root, "run").returncode == 0
    locked = lock_files(root)
    (root / "in.txt").write_text("bad\n")
    for _ in range(2):
        done = statewright(root, "run", "--workers", "1")
        assert done.returncode == 1, done.stderr
        assert "made: restored" not in done.stderr and "kept: skipped" not in done.stderr
        assert "stage 'made' ended with status 1" in done.stderr
        assert "stage 'kept' ended with status 1" in done.stderr
        assert lock_files(root) == locked
    (root / "in.txt").write_text("good, better\n")
    done = statewright(root, "run", "--workers", "1")
    assert done.returncode == 0 and "made: ran" in done.stderr and "kept: ran" in done.stderr, done.stderr
    assert (root / "out.txt").read_text() == "good, better\n"
    assert dvc_status(root) == {}


def test_a_run_without_a_server_neither_imports_prefect_nor_starts_a_server(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"dvc.yaml": "stages:\n  a: {cmd: echo > a, outs: [a]}\n"})
    script = (
        "import atexit, subprocess, sys\n"
        "started = []\n"
        "class Popen(subprocess.Popen):\n"
        "    def __init__(self, command, *rest, **named):\n"
        "        started.append(str(command))\n"
        "        super().__init__(command, *rest, **named)\n"
        "subprocess.Popen = Popen\n"
        "atexit.register(lambda: print('imported:', {'prefect', 'mlflow', 'numpy'} & set(sys.modules)))\n"
        "atexit.register(lambda: print('reporters:', sum('prefect' in command for command in started)))\n"
        "from statewright.running import servers\n"
        "servers.find_server.__defaults__ = (9,)\n"
        "from statewright.cli import main\n"
        "main(['run'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PYTHONPATH": str(HERE), "PREFECT_HOME": str(tmp_path / "prefect")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert "imported: set()" in done.stdout
    assert "reporters: 0" in done.stdout
    assert "to watch runs in a browser, start `statewright ui` first" in done.stderr


def test_a_transition_that_is_not_recorded_leaves_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = {"dvc.yaml": "stages:\n  a: {cmd: echo > a, outs: [a]}\n"}
    root = make_repository(tmp_path / "repo", {**declared, ".statewright.toml": "prefect = 'always'\n"})
    monkeypatch.setattr(engine, "start_record", lambda *_: pytest.fail("a record in Prefect was started"))
    session = open_session(root, [])
    result = engine.transition(
        session.repository, session.workflow, session.state, session.plan, Limits(workers=1), recorded=False
    )
    assert result.outcomes == {"a": "ran"} and result.record is None
    assert not (root / ".statewright" / "records").exists()


@pytest.mark.end_to_end
def test_a_temporary_server_records_stages_that_ended_before_it_was_ready(tmp_path: Path) -> None:
    files = {
        "dvc.yaml": "stages:\n  a: {cmd: echo 1 > a, outs: [a]}\n  b: {cmd: cp a b, deps: [a], outs: [b]}\n",
        ".statewright.toml": 'prefect = "always"\n',
    }
    root = make_repository(tmp_path / "repo", files)
    home = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": ""}
    before = datetime.now(UTC)
    done = statewright(root, "run", environment=home)
    after = datetime.now(UTC)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "prefect" / "prefect.db") as database:
        flows = "SELECT state_type FROM flow_run"
        query = "SELECT name, state_type, start_time, end_time FROM task_run ORDER BY start_time"
        deadline = time.monotonic() + 200  # on a busy machine the record is completed in the background
        states, tasks = [], []
        # The server stores the state of a task run a moment after that of the flow run.
        while (
            [*states, *(task[1:2] for task in tasks)] != 3 * [("COMPLETED",)]
        ) and time.monotonic() < deadline:
            time.sleep(0.2)
            with suppress(sqlite3.OperationalError):  # the server has not created its tables yet
                states = database.execute(flows).fetchall()
                tasks = database.execute(query).fetchall()
        assert states == [("COMPLETED",)]
    assert [(name, state) for name, state, *_ in tasks] == [("a", "COMPLETED"), ("b", "COMPLETED")]
    times = [datetime.fromisoformat(at).replace(tzinfo=UTC) for _, _, *both in tasks for at in both]
    assert [before, *times, after] == sorted([before, *times, after])
