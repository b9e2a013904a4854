"""Traces of files, metrics, stages and hashes, with and without a record."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, commit, dvc, make_repository, run_here, statewright, write

from statewright.files import md5
from statewright.lineage.provenance import Trace, trace
from statewright.record import runs, store, tracking
from statewright.record.experiment import open_record
from statewright.record.parents import ParentRecord
from statewright.repository import declaration as engine
from statewright.repository.observation import observe
from statewright.workflow import WorkflowError

STAGES = """
stages:
  clean: {cmd: tr a-z A-Z < raw.csv > clean.csv, deps: [raw.csv], outs: [clean.csv]}
  split: {cmd: mkdir -p parts && cp clean.csv parts/one.csv && cp extra.bin parts/two.csv,
          deps: [clean.csv, extra.bin], outs: [parts]}
  train:
    cmd: >-
      cat clean.csv params.yaml > model.txt &&
      echo '{"rmse": {"joy": 0.5}, "n":' ${train.n} '}' > score.json
    deps: [clean.csv]
    params: [train, other.yaml: [seed]]
    outs: [model.txt]
    metrics: [score.json: {cache: false}]
  judge:
    cmd: cat model.txt parts/one.csv > judged.txt && cp score.json judge.json
    deps: [model.txt, parts/one.csv, score.json]
    outs: [judged.txt]
    metrics: [judge.json: {cache: false}]
"""


def make(folder: Path) -> Path:
    root = make_repository(
        folder / "songs",
        {
            "dvc.yaml": STAGES,
            "params.yaml": "train: {lr: 0.1, n: 1}\n",
            "other.yaml": "seed: 0\n",
            "raw.csv": "a,1\n",
            "extra.bin": "extra\n",
            "notes.md": "notes\n",
        },
    )
    assert dvc(root, "add", "--quiet", "extra.bin") == 0
    return root


def ask(root: Path, name: str) -> Trace:
    found = trace(root, name)
    os.chdir(HERE)
    return found


# Without a record in MLflow.


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Repository in which only `dvc repro` ran, and the commit of its `dvc.lock`."""
    root = make(tmp_path_factory.mktemp("plain"))
    commit(root)
    assert dvc(root, "repro", "--quiet") == 0
    return root, commit(root)


def chain(made: Any) -> dict[str, Any]:
    """Return the tree of a step as nested names: stage -> {its inputs}."""
    below: dict[str, Any] = {source.path: source.kind for source in made.sources}
    return below | {earlier.stage: chain(earlier) for earlier, _ in made.before}


def test_a_file_is_followed_down_to_its_sources(plain: tuple[Path, str]) -> None:
    root, head = plain
    found = ask(root, "judged.txt")
    (made,) = found.steps
    assert chain(made) == {
        "train": {"clean": {"raw.csv": "git"}},
        "split": {"clean": {"raw.csv": "git"}, "extra.bin": "dvc"},
    }
    assert found.version == md5(root / "judged.txt") and found.standing == "as dvc.lock records it"
    assert made.inputs["model.txt"] == md5(root / "model.txt")
    train = next(earlier for earlier, _ in made.before if earlier.stage == "train")
    assert train.params == {"train.lr": 0.1, "train.n": 1, "other.yaml:seed": 0}
    assert train.run is None and train.recorded
    assert found.commit == head
    assert found.command == "statewright run --force --single-item judge"
    assert "no run was recorded in MLflow yet" in found.notes[-1]


def test_what_depends_on_a_source_is_all_that_is_made_from_it(plain: tuple[Path, str]) -> None:
    root = plain[0]
    found = ask(root, "raw.csv")
    assert not found.steps and found.command is None and "a source" in found.standing
    by_name = {dependent.stage: dependent for dependent in found.dependents}
    assert set(by_name) == {"clean", "split", "train", "judge"}
    assert by_name["clean"].reads == ("raw.csv",) and by_name["clean"].after == ()
    assert by_name["train"].reads == ("clean.csv",) and by_name["train"].after == ("clean",)
    assert by_name["judge"].metrics == ("judge.json",)
    assert set(by_name["judge"].after) == {"train", "split"}


@pytest.mark.parametrize(
    ("name", "dependents"),
    [
        ("other.yaml", {"train", "judge"}),
        ("parts", {"judge"}),
        ("parts/two.csv", set()),
        ("judge", set()),
        ("train", {"judge"}),
        ("extra.bin", {"split", "judge"}),
        ("notes.md", set()),
    ],
)
def test_dependents_are_by_path(plain: tuple[Path, str], name: str, dependents: set[str]) -> None:
    assert {found.stage for found in ask(plain[0], name).dependents} == dependents


def test_a_file_inside_the_folder_of_a_stage(plain: tuple[Path, str]) -> None:
    root = plain[0]
    found = ask(root, "parts/one.csv")
    assert [made.stage for made in found.steps] == ["split"]
    assert found.version == md5(root / "parts" / "one.csv")
    assert found.standing == "in the folder parts, which is as dvc.lock records it"
    assert [made.stage for made in ask(root, ".").steps] == ["clean", "split", "train", "judge"]


def test_a_name_is_relative_to_the_current_folder(plain: tuple[Path, str]) -> None:
    root = plain[0]
    (root / "notebooks").mkdir(exist_ok=True)
    assert ask(root / "notebooks", "../model.txt").subject.path == "model.txt"
    assert ask(root / "parts", "one.csv").subject.path == "parts/one.csv"
    assert ask(root / "notebooks", "model.txt").subject.path == "model.txt"
    assert ask(root, str(root / "model.txt")).subject.path == "model.txt"


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("score.json:rmse.joy", {"score.json:rmse.joy": 0.5}),
        ("score.rmse.joy", {"score.json:rmse.joy": 0.5}),
        ("score.rmse", {"score.json:rmse.joy": 0.5}),
        ("train.n", {"score.json:n": 1.0}),
        ("judge.joy", {"judge.json:rmse.joy": 0.5}),
    ],
)
def test_a_metric_has_many_names(plain: tuple[Path, str], name: str, metrics: dict[str, float]) -> None:
    found = ask(plain[0], name)
    assert found.subject.kind == "metric" and found.subject.metrics == metrics
    assert [made.stage for made in found.steps] == [{"s": "train", "j": "judge"}[next(iter(metrics))[0]]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rmse.joy", r"in several files.*\n  score\.json:rmse\.joy\n  judge\.json:rmse\.joy"),
        ("model.tx", r"did you mean model\.txt"),
        ("abcdef", r"neither dvc.lock nor MLflow records a file with hash 'abcdef'"),
    ],
)
def test_a_name_of_nothing_or_of_several_is_an_error(
    plain: tuple[Path, str], name: str, message: str
) -> None:
    with pytest.raises(WorkflowError, match=message):
        ask(plain[0], name)


def test_a_hash_finds_the_file_that_was_made_first(plain: tuple[Path, str]) -> None:
    root = plain[0]
    found = ask(root, md5(root / "clean.csv")[:8])
    assert found.subject.path == "clean.csv" and [made.stage for made in found.steps] == ["clean"]
    found = ask(root, md5(root / "judge.json")[:8])
    assert found.subject.path == "score.json" and found.subject.copies == ("judge.json",)
    found = ask(root, md5(root / "raw.csv"))
    assert found.subject.path == "raw.csv" and not found.steps


@pytest.fixture
def edited(plain: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy to change."""
    shutil.copytree(plain[0], tmp_path / "songs", symlinks=True)
    return tmp_path / "songs", plain[1]


def test_a_file_changed_by_hand_is_not_what_was_recorded(edited: tuple[Path, str]) -> None:
    root = edited[0]
    was = md5(root / "model.txt")
    (root / "model.txt").chmod(0o644)
    (root / "model.txt").write_text("by hand")
    found = ask(root, "model.txt")
    assert found.version == was and found.steps[0].recorded
    assert found.standing == f"changed since it was recorded: is {md5(root / 'model.txt')[:4]}, was {was[:4]}"
    (root / "model.txt").unlink()
    assert "missing; `statewright run train` restores it" in ask(root, "model.txt").standing


def test_params_that_changed_are_set_back(edited: tuple[Path, str]) -> None:
    root = edited[0]
    was = md5(root / "model.txt")
    write(root, {"params.yaml": "train: {lr: 0.2, n: 1}\n", "other.yaml": "seed: 7\n"})
    found = ask(root, "judged.txt")
    assert found.command == "statewright run --set train.lr=0.1 --set other.yaml:seed=0 judge"
    assert found.commit == edited[1]
    # The same steps as the command, written out: the result is the same file.
    write(root, {"params.yaml": "train: {lr: 0.1, n: 1}\n", "other.yaml": "seed: 0\n"})
    run_here(root, force=["train"])
    assert md5(root / "model.txt") == was


def test_code_or_a_source_that_changed_is_taken_from_the_commit(edited: tuple[Path, str]) -> None:
    root, head = edited
    was = md5(root / "clean.csv")
    write(root, {"raw.csv": "b,2\n"})
    found = ask(root, "clean.csv")
    assert found.command == f"git checkout {head[:12]} && statewright run clean"
    assert "changed since then: raw.csv" in found.notes
    assert ask(root, "parts").command == (
        f"git checkout {head[:12]} && dvc checkout extra.bin.dvc && statewright run split"
    )
    commit(root)
    subprocess.run(["git", "checkout", "--quiet", head], cwd=root, check=True)
    run_here(root, force=["clean"])
    assert md5(root / "clean.csv") == was


def test_a_stage_that_never_ran_is_reported(tmp_path: Path) -> None:
    root = make(tmp_path)
    found = ask(root, "model.txt")
    assert found.standing == "not written yet" and not found.steps[0].known and found.version is None
    assert [dependent.stage for dependent in found.dependents] == ["judge"]


def test_the_command_draws_trees_and_prints_json(plain: tuple[Path, str]) -> None:
    root = plain[0]
    done = statewright(root, "trace", "judged.txt")
    assert done.returncode == 0, done.stderr
    for line in (
        f"judged.txt  {md5(root / 'judged.txt')[:4]}  as dvc.lock records it",
        "rebuild  statewright run --force --single-item judge",
        f"clean  clean.csv {md5(root / 'clean.csv')[:4]}",
        f"raw.csv {md5(root / 'raw.csv')[:4]}  in git",
        f"extra.bin {md5(root / 'extra.bin')[:4]}  tracked by extra.bin.dvc",
        "(its inputs are above)",
        "nothing depends on it",
    ):
        assert line in done.stdout, done.stdout
    found = json.loads(statewright(root, "trace", "train", "--json").stdout)
    assert found["made_by"] == ["train"] and found["dependents"][0]["stage"] == "judge"
    first, second = found["steps"]
    assert first["before"] == [{"step": 1, "paths": ["clean.csv"]}] and second["stage"] == "clean"
    assert second["sources"][0]["hash"] == md5(root / "raw.csv")
    wrong = statewright(root, "trace", "nothing-of-this")
    assert wrong.returncode == 2 and "is not a stage, file, metric or hash" in wrong.stderr


def test_code_that_a_stage_does_not_reach_is_not_its_cause(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "songs",
        {
            "dvc.yaml": """
                stages:
                  code:
                    cmd: python -m statewright fingerprint --out code.json
                    deps: [tasks]
                    outs: [code.json]
                  one: {cmd: echo 1 > one.txt, params: [code.json: [one]], outs: [one.txt]}
                  two: {cmd: echo 2 > two.txt, params: [code.json: [two]], outs: [two.txt]}
                  last: {cmd: cp one.txt last.txt, deps: [one.txt], outs: [last.txt]}
            """,
            "tasks/a.py": "def f(): return 1\n",
            "code.json": '{"one": {"tasks/a:f": "123456789abc"}, "two": {"tasks/b:g": "123456789abc"}}',
        },
    )
    found = {dependent.stage: dependent for dependent in ask(root, "tasks/a.py").dependents}
    assert set(found) == {"code", "one", "last"}
    assert found["one"].reads == ("tasks/a:f",) and found["last"].after == ("one",)
    assert {dependent.stage for dependent in ask(root, "code.json").dependents} == {"one", "two", "last"}


# With a record.


def run_recorded(root: Path, *, force: Sequence[str] = ()) -> dict[str, str]:
    """Run the plan in this process and record it as a transition does."""
    outcomes = run_here(root, force=force)
    repository = engine.open_repository(root)
    workflow = engine.declare(repository)
    record = open_record(root)
    tracking.start_parent(record, ParentRecord("toy"))
    state = observe(repository, workflow)
    for address, status in outcomes.items():
        seen, now = state.stages[address], time.time()
        params = {key: value for (_, key), value in seen.params_was.items()}
        tracking.record_stage(
            record,
            tracking.StageRecord(
                workflow.stages[address],
                status,
                now - 2,
                now,
                params,
                seen.deps_was,
                seen.outs_was,
                (f"because of {address}",),
            ),
        )
    os.chdir(HERE)
    return outcomes


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Repository after a run, a run with other params, and a restore; with hashes."""
    root = make(tmp_path_factory.mktemp("history"))
    head = commit(root)
    assert run_recorded(root)["train"] == "ran"
    first = md5(root / "model.txt")
    write(root, {"params.yaml": "train: {lr: 0.2, n: 1}\n"})
    assert run_recorded(root) == {"train": "ran", "judge": "ran"}
    second = md5(root / "model.txt")
    write(root, {"params.yaml": "train: {lr: 0.1, n: 1}\n"})
    assert run_recorded(root) == {"train": "restored", "judge": "restored"}
    assert md5(root / "model.txt") == first != second
    return {"root": root, "commit": head, "first": first, "second": second}


def runs_of(root: Path, stage: str) -> list[Any]:
    """Return the runs of a stage from MLflow's client, oldest first."""
    client = open_record(root).client
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(ids, f"tags.`statewright.stage` = '{stage}'", order_by=["start_time ASC"])
    return list(found)


@pytest.mark.slow
class TestRecorded:
    def test_a_restored_file_points_to_the_run_that_made_it(self, history: dict[str, Any]) -> None:
        ran, _, restored = runs_of(history["root"], "train")
        found = ask(history["root"], "model.txt")
        (made,) = found.steps
        assert found.version == history["first"] and made.run is not None and made.restored is not None
        assert made.run.run_id == ran.info.run_id and made.restored.run_id == restored.info.run_id
        assert made.run.parent_id == ran.data.tags["mlflow.parentRunId"]
        assert made.run.seconds == pytest.approx((ran.info.end_time - ran.info.start_time) / 1000)
        assert found.commit == history["commit"] and not made.run.dirty
        assert found.command == "statewright run --force --single-item train"

    def test_a_skipped_stage_has_the_run_from_before(self, history: dict[str, Any]) -> None:
        (ran,) = runs_of(history["root"], "clean")
        assert ask(history["root"], "clean").steps[0].run.run_id == ran.info.run_id  # type: ignore[union-attr]

    def test_an_earlier_version_is_found_by_its_hash(self, history: dict[str, Any]) -> None:
        _, ran, _ = runs_of(history["root"], "train")
        found = ask(history["root"], f"{history['second'][:10]}")
        (made,) = found.steps
        assert made.run is not None and made.run.run_id == ran.info.run_id and not made.recorded
        assert made.params["train.lr"] == "0.2" and made.before[0][0].stage == "clean"
        assert found.command == "statewright run --set train.lr=0.2 train"

    def test_an_earlier_version_in_the_folder_is_recognised(
        self, history: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = tmp_path / "songs"
        shutil.copytree(history["root"], root, symlinks=True)
        cached = root / ".dvc" / "cache" / "files" / "md5" / history["second"][:2] / history["second"][2:]
        (root / "model.txt").unlink()
        shutil.copyfile(cached, root / "model.txt")
        found = ask(root, "model.txt")
        assert found.version == history["second"] and found.steps[0].params["train.lr"] == "0.2"
        assert found.standing == f"another version than recorded: dvc.lock records {history['first'][:4]}"

    def test_a_missing_version_is_rebuilt_from_the_commit_with_its_params(
        self, history: dict[str, Any], tmp_path: Path
    ) -> None:
        root = tmp_path / "songs"
        shutil.copytree(history["root"], root, symlinks=True)
        write(root, {"raw.csv": "z,9\n"})
        found = ask(root, history["second"][:10])
        head = history["commit"]
        assert found.command == f"git checkout {head[:12]} && statewright run --set train.lr=0.2 train"
        assert f"the checkout had uncommitted changes, which commit {head[:7]} may lack" in found.notes
        subprocess.run(["git", "checkout", "--quiet", "--force", head], cwd=root, check=True)
        write(root, {"params.yaml": "train: {lr: 0.2, n: 1}\n"})
        run_here(root, force=["train"])
        assert md5(root / "model.txt") == history["second"]

    def test_a_commit_without_the_inputs_is_reported(self, history: dict[str, Any], tmp_path: Path) -> None:
        root = tmp_path / "songs"
        shutil.copytree(history["root"], root, symlinks=True)
        write(root, {"raw.csv": "y,8\n"})
        run_recorded(root)
        later = md5(root / "clean.csv")
        write(root, {"raw.csv": "z,9\n"})
        found = ask(root, later[:10])
        assert f"commit {history['commit'][:7]} holds another version of raw.csv" in found.notes

    def test_an_output_of_dvc_repro_has_no_run(self, history: dict[str, Any], tmp_path: Path) -> None:
        root = tmp_path / "songs"
        shutil.copytree(history["root"], root, symlinks=True)
        write(root, {"params.yaml": "train: {lr: 0.7, n: 1}\n"})
        assert dvc(root, "repro", "--quiet") == 0
        found = ask(root, "model.txt")
        (made,) = found.steps
        assert made.run is None and made.recorded and made.params["train.lr"] == 0.7
        assert made.before[0][0].run is not None
        text = statewright(root, "trace", "model.txt").stdout
        assert "no run in MLflow wrote this version; the rest is from dvc.lock" in text

    def test_the_client_finds_the_same_as_the_database(self, history: dict[str, Any]) -> None:
        root = history["root"]
        near, far = runs.open_run_history(root), runs._open_remote(store.local_uri(root), root)
        for stage in ("clean", "split", "train", "judge"):
            ours, theirs = list(near.runs(stage)), list(far.runs(stage))
            assert [run.as_dict() for run in ours] == [run.as_dict() for run in theirs]
            assert [(run.inputs, run.outputs) for run in ours] == [
                (run.inputs, run.outputs) for run in theirs
            ]
            assert [run.params() for run in ours] == [run.params() for run in theirs]
        for prefix in (history["second"][:6], history["first"]):
            assert sorted(near.versions(prefix)) == sorted(far.versions(prefix)) != []

    def test_a_deleted_run_made_nothing(self, history: dict[str, Any], tmp_path: Path) -> None:
        root = tmp_path / "songs"
        shutil.copytree(history["root"], root, symlinks=True)
        (ran,) = runs_of(root, "clean")
        open_record(root).client.delete_run(ran.info.run_id)
        assert ask(root, "clean.csv").steps[0].run is None

    def test_the_terminal_names_runs(self, history: dict[str, Any]) -> None:
        ran, _, restored = runs_of(history["root"], "train")
        text = statewright(history["root"], "trace", "score.rmse").stdout
        assert "rmse.joy  0.5" in text and f"run       {ran.info.run_id}, 20" in text and "took 2.0 s" in text
        assert f"restored  from the run cache by {restored.info.run_id}" in text
        assert "params    train: lr = 0.1, n = 1" in text and "because of train" in text


@pytest.mark.end_to_end
def test_the_command_that_is_named_makes_the_version_again(tmp_path: Path, prefect_server: str) -> None:
    root = make(tmp_path)
    commit(root)
    first = statewright(root, "run")
    assert first.returncode == 0, first.stderr
    was = md5(root / "judged.txt")
    later = statewright(root, "run", "--set", "train.lr=0.3")
    assert later.returncode == 0 and md5(root / "judged.txt") != was
    now = json.loads(statewright(root, "trace", "judged.txt", "--json").stdout)
    then = json.loads(statewright(root, "trace", was, "--json").stdout)
    assert now["command"] == "statewright run --force --single-item judge" and now["steps"][0]["params"] == {}
    assert then["command"] == "statewright run --set train.lr=0.1 judge"
    for found, version in ((now, now["hash"]), (then, was)):
        assert found["steps"][0]["run"]["status"] == "ran"
        done = statewright(root, *shlex.split(found["command"])[1:])
        assert done.returncode == 0, done.stderr
        assert md5(root / "judged.txt") == version


def test_a_damaged_or_unreachable_store_gives_no_record(
    plain: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.db").write_text("no database at all")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/bad.db")
    found = ask(plain[0], "model.txt")
    assert found.steps[0].recorded and "bad.db cannot be read" in found.notes[-1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 does not answer" in ask(plain[0], "model.txt").notes[-1]
