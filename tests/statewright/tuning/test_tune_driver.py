"""The loop of a study, with workers that answer at once."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from studies import METRIC, PARAMS, Killed, events_of, loss_of, make_toy, tune_here
from toys import write

from statewright.tuning import driver, setup
from statewright.tuning.driver import Hooks, Search
from statewright.tuning.study import DEFAULT, FAILED, REPEATED, Study, Trial, read_study
from statewright.tuning.trial import REFUSED, Outcome
from statewright.workflow import WorkflowError


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(tmp_path_factory.mktemp("original") / "toy")


@pytest.fixture
def toy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "toy"))


def git_status(root: Path) -> str:
    command = ["git", "status", "--porcelain"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_the_first_trial_has_the_defaults_and_the_best_is_a_patch(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, pool = tune_here(toy, budget=12, workers=3)
    study = read_study(toy, "train")
    assert status == 0 and len(study.trials) == 12 and pool.most == 3
    first = study.trials[0]
    assert (first.kind, first.config) == (DEFAULT, {"train.x": 5.0, "train.k": 2, "train.model": "ridge"})
    assert first.value == 10
    assert all(trial.value == loss_of(trial.config) for trial in study.trials)
    assert study.best is not None and study.best.value == min(loss_of(trial.config) for trial in study.trials)
    # nothing of the user's is written
    assert git_status(toy) == "" and (toy / "params.yaml").read_text() == PARAMS
    err = capsys.readouterr().err
    assert "less of score.json:loss is better" in err
    assert "study train: the budget of 12 trials is spent; 12 evaluations, 0 answered from the journal" in err
    assert f"best: {METRIC} is {study.best.value:.6g} (a single run) in trial {study.best.number}, " in err
    assert f"{10 - study.best.value:.6g} better than the defaults (10, " in err
    # git applies the patch, and only values change
    patch = toy / ".statewright" / "tune" / "train.patch"
    assert patch.read_text().startswith(f"Best params of train: {METRIC} is ")
    subprocess.run(["git", "apply", str(patch)], cwd=toy, check=True)
    x, k, model = (study.best.config[f"train.{name}"] for name in ("x", "k", "model"))
    wanted = PARAMS.replace("x: 5.0 ", f"x: {x} ").replace("k: 2\n", f"k: {k}\n")
    assert (toy / "params.yaml").read_text() == wanted.replace("model: ridge ", f"model: {model} ")


def test_apply_writes_the_patch_and_keeps_comments(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune_here(toy, budget=6)[0] == 0
    write(toy, {"params.yaml": PARAMS + "added: 1  # by hand, meanwhile\n"})
    assert tune_here(toy, name="train", resume=True, apply=True)[0] == 0
    text = (toy / "params.yaml").read_text()
    best = read_study(toy, "train").best
    assert best is not None and f"x: {best.config['train.x']}" in text
    comments = re.findall("#.*", text)
    assert comments == [*re.findall("#.*", PARAMS), "# by hand, meanwhile"]
    err = capsys.readouterr().err
    assert f"written to params.yaml: train.x 5.0 -> {best.config['train.x']}" in err
    assert "`statewright run train` brings the stages up to date" in err


def test_defaults_that_are_best_need_no_patch(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune_here(toy, lambda params: 0.0 if params["train.x"] == 5 else 1.0, budget=4)
    assert "the params stand as they are: no patch" in capsys.readouterr().err
    assert not (toy / ".statewright" / "tune" / "train.patch").exists()


def test_a_maximum_is_searched(toy: Path) -> None:
    tune_here(toy, lambda params: -loss_of(params), budget=8, direction="max")
    study = read_study(toy, "train")
    assert study.best is not None and study.best.value == max(
        -loss_of(trial.config) for trial in study.trials
    )


def test_a_failed_trial_is_a_trial_with_its_reason(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def evaluate(params: dict[str, Any]) -> float | str:
        if params["train.model"] == "forest":
            return "stage 'train' ended with status 3: no trees"
        return float("nan") if params["train.k"] > 4 else loss_of(params)

    assert tune_here(toy, evaluate, budget=16)[0] == 0
    study = read_study(toy, "train")
    failed = [trial for trial in study.trials if trial.status == FAILED]
    assert {trial.reason for trial in failed} == {
        "stage 'train' ended with status 3: no trees",
        f"{METRIC} is nan",
    }
    assert all(trial.value is None for trial in failed)
    assert f", {len(failed)} failed, " in capsys.readouterr().err


def test_a_study_in_which_all_fails_ends_early(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = tune_here(toy, lambda params: "stage 'train' ended with status 1: no data", budget=50)
    assert status == 1 and len(read_study(toy, "train").trials) == 5
    err = capsys.readouterr().err
    assert "study train: all trials failed; 5 evaluations, 5 failed" in err
    assert "no trial succeeded; trial 4: stage 'train' ended with status 1: no data" in err
    # it is no obstacle for the next one
    assert tune_here(toy, budget=3)[0] == 0
    assert len(read_study(toy, "train").trials) == 3


def test_repeated_params_are_answered_from_the_journal(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(toy, {"space.yaml": "train.k: [2, 3, 4]\n"})
    calls: list[int] = []

    def evaluate(params: dict[str, Any]) -> float:
        calls.append(params["train.k"])
        return float(params["train.k"])

    assert tune_here(toy, evaluate, budget=15, workers=2)[0] == 0
    assert sorted(calls) == [2, 3, 4]
    study = read_study(toy, "train")
    repeated = [trial for trial in study.trials if trial.status == REPEATED]
    assert (study.evaluations, study.repeated, len(repeated)) == (3, 12, 12)
    assert all(trial.value == trial.config["train.k"] for trial in repeated)
    assert "3 evaluations, 12 answered from the journal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"patience": 4}, r"no better value in [4-7] trials"),
        ({"stop_at": 6.0}, r"the target is reached: [\d.]+ <= 6"),
    ],
)
def test_a_study_ends_before_its_budget(
    toy: Path, options: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune_here(toy, budget=200, workers=2, **options)[0] == 0
    assert len(read_study(toy, "train").trials) < 200
    assert re.search(f"study train: {reason}; ", capsys.readouterr().err)


@pytest.mark.parametrize("killed_at", [1, 2, 4, 7])
def test_a_killed_study_resumes_without_loss_or_repetition(toy: Path, killed_at: int) -> None:
    calls: list[str] = []

    def evaluate(params: dict[str, Any]) -> float:
        if len(calls) == killed_at and not any(call == "kill" for call in calls):
            calls.append("kill")
            raise Killed
        calls.append(str(params))
        return loss_of(params)

    with pytest.raises(Killed):
        tune_here(toy, evaluate, budget=9, workers=2)
    before = read_study(toy, "train")
    assert tune_here(toy, evaluate, name="train", resume=True, workers=2)[0] == 0
    study = read_study(toy, "train")
    assert study.trials[: len(before.trials)] == before.trials
    assert sorted(trial.number for trial in study.trials) == list(range(9))
    # a trial in flight started again with the params that it was asked with
    asked = [event for event in events_of(toy) if event["event"] == "asked"]
    configs = {event["number"]: event["config"] for event in asked}
    assert all(event["config"] == configs[event["number"]] for event in asked)
    # of those that had answered, none ran again
    started = [event["number"] for event in asked]
    finished_before = {trial.number for trial in before.trials}
    assert all(started.count(number) == 1 for number in finished_before)


def test_a_resumed_sampler_proposes_what_it_would_have(toy: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(toy, tmp_path / "other"))
    assert tune_here(other, budget=10, sampler="genetic")[0] == 0
    assert tune_here(toy, budget=4, sampler="genetic")[0] == 0
    assert tune_here(toy, resume=True, budget=10)[0] == 0
    whole, resumed = (read_study(root, "train") for root in (other, toy))
    assert [t.config for t in resumed.trials] == [t.config for t in whole.trials]


def test_a_resumed_study_refuses_other_sources_and_options(toy: Path) -> None:
    assert tune_here(toy, budget=2)[0] == 0
    with pytest.raises(WorkflowError, match=r"--sampler tpe: study 'train' has random"):
        tune_here(toy, resume=True, budget=4, sampler="tpe")
    write(toy, {"space.yaml": "train.k: [1, 2]\n"})
    with pytest.raises(WorkflowError, match="study 'train' searches another space"):
        tune_here(toy, resume=True, budget=4, space=toy / "space.yaml")
    write(toy, {"params.yaml": PARAMS.replace("x: 5.0", "x: 6.0")})  # a searched param is no source
    assert tune_here(toy, resume=True, budget=3)[0] == 0
    write(toy, {"params.yaml": PARAMS.replace("rows: 3", "rows: 4"), "train.py": "pass\n"})
    with pytest.raises(WorkflowError) as error:
        driver.tune(toy, Search(resume=True, budget=4))
    assert "prep.rows in params.yaml and train.py changed since its trials ran" in str(error.value)
    assert "`--name OTHER` starts another study" in str(error.value)


def test_a_study_that_exists_or_runs_is_refused(toy: Path) -> None:
    with pytest.raises(WorkflowError, match="expected --name NAME of a study; there is none"):
        tune_here(toy, resume=True)
    assert tune_here(toy, budget=2)[0] == 0
    with pytest.raises(WorkflowError) as error:
        tune_here(toy, budget=2)
    assert "`statewright tune --name train --resume` continues it" in str(error.value)
    folder = toy / ".statewright" / "tune"
    (folder / "train.by").write_text("process 7: statewright tune train")
    with FileLock(folder / "train.lock"), pytest.raises(WorkflowError) as error:
        tune_here(toy, resume=True)
    assert "study 'train' is running: process 7: statewright tune train" in str(error.value)


def test_a_metric_is_completed_by_the_first_trial(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # its file does not exist yet: the key alone is known
    assert tune_here(toy, budget=2, metric="loss")[0] == 0
    assert read_study(toy, "train").metric == METRIC
    with pytest.raises(WorkflowError, match=r"wrote no number score.json:gain; it has val.loss"):
        tune_here(toy, budget=2, metric="gain", name="second")
    assert tune_here(toy, budget=2, metric="loss", name="second")[0] == 0


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"sampler": "hybird"}, "--sampler hybird: not a sampler; did you mean hybrid?"),
        ({"metric": "score.json:value"}, "its name does not tell whether less or more is better"),
        ({"target": "tran"}, "'tran' is not a stage, output or pipeline"),
        ({"seed_param": "train.x"}, "--seed-param train.x: the space searches it"),
        ({"seed_param": "sead"}, "--seed-param sead: .*no key 'sead'"),
        ({"seed_param": "train"}, "--seed-param train: it is .* expected a whole number"),
        ({"name": "a/b"}, "--name a/b: expected letters"),
        ({"metric": None}, "expected TARGET, --metric and --space, as in `statewright tune train"),
    ],
)
def test_a_search_that_cannot_start_is_refused_before_the_first_trial(
    toy: Path, options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(WorkflowError, match=fault):
        tune_here(toy, lambda params: pytest.fail("a trial ran"), **options)
    assert not list((toy / ".statewright").rglob("*.jsonl"))


def test_an_observed_read_of_a_holdout_ends_the_study(toy: Path) -> None:
    refused = Outcome(0, REFUSED, reason="stage 'train' was observed to read test.txt, a holdout")
    with pytest.raises(WorkflowError, match=r"was observed to read test.txt, a holdout"):
        tune_here(toy, lambda params: refused)
    assert read_study(toy, "train").trials == ()


def test_demands_of_parallel_trials_are_said(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "installed_ram_gb", lambda: 16.0)
    demanding = "cmd: python train.py\n    meta: {ram_gb: 6}"
    write(toy, {"dvc.yaml": (toy / "dvc.yaml").read_text().replace("cmd: python train.py", demanding)})
    assert tune_here(toy, budget=2, workers=2)[0] == 0
    assert "GiB" not in capsys.readouterr().err
    assert tune_here(toy, budget=2, workers=3, name="three")[0] == 0
    said = "3 trials at once may need 18 GiB of memory (meta.ram_gb), and there is 16: fewer --workers are"
    assert said in capsys.readouterr().err


def test_hooks_see_every_trial_that_ran(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def finished(root: Path, study: Study, trial: Trial, checkout: Path) -> Trial:
        calls.append(f"finished {trial.number} after {len(study.trials)}")
        return Trial(**{**vars(trial), "experiment": f"exp-{trial.number}"})

    hooks = Hooks(
        begun=(lambda root, study: calls.append(f"begun {study.budget}"),),
        finished=(finished,),
        ended=(lambda root, study: [f"ended with {len(study.trials)}"],),
    )
    run = driver.tune
    monkeypatch.setattr(driver, "tune", lambda root, search: run(root, search, hooks))
    assert tune_here(toy, budget=3)[0] == 0
    assert calls == ["begun 3", "finished 0 after 0", "finished 1 after 1", "finished 2 after 2"]
    assert [trial.experiment for trial in read_study(toy, "train").trials] == ["exp-0", "exp-1", "exp-2"]
