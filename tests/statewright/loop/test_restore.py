"""`run --at`: it restores an earlier round, runs nothing and loses nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from toys import commit, dvc, dvc_status, make_repository, run_here, verdicts, write

from statewright.loop import driver, restore, rounds
from statewright.loop.driver import loop
from statewright.loop.judge import StopConditions
from statewright.loop.restore import run_at
from statewright.repository import declaration as engine
from statewright.repository.experiments import save_experiment
from statewright.repository.observation import observe
from statewright.session import Session
from statewright.workflow import WorkflowError

FILES = {
    "params.yaml": "x: 1  # seen\nrows: 3\n",
    "config.json": '{"deep": {"y": 1}}\n',
    "words.yaml": "word: folder\n",
    "dvc.yaml": """
        vars: [words.yaml]
        stages:
          folder:
            cmd: mkdir -p made && seq 1 ${rows} > made/rows.txt && echo ran ${word} >> ran.log
            params: [rows]
            outs: [made]
          score:
            cmd: sh score.sh ${x} > score.json && echo ran score >> ran.log
            deps: [made]
            params:
            - x
            - config.json:
            metrics:
            - score.json: {cache: false}
          feedback:
            cmd: sh feedback.sh > feedback.json && echo ran feedback >> ran.log
            deps: [score.json, journal.json, feedback.sh]
            params: [x]
            outs: [feedback.json]
            meta: {journal: journal.json}
        """,
    "score.sh": """
        echo '{"loss":' $((($1 - 3) * ($1 - 3))) '}'
        """,
    "feedback.sh": """
        loss=$(sed 's/[^0-9]//g' score.json)
        x=$(sed -n 's/^x: \\([0-9]*\\).*/\\1/p' params.yaml)
        echo '{"stop": false, "reason": "up", "score":' $loss ', "patch":'
        echo ' [{"key": "x", "was":' $x ', "now":' $((x + 1)) '}]}'
        """,
    ".gitignore": "ran.log\n",
}
CONTENT = (
    "params.yaml",
    "config.json",
    "journal.json",
    "dvc.lock",
    "score.json",
    "feedback.json",
    "made/rows.txt",
)


class NoRecorder:
    """A recorder that does nothing."""

    def __init__(self, *_: Any) -> None: ...

    def round(self, *_: Any, **__: Any) -> None: ...

    def close(self) -> tuple[None, None]:
        return None, None


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after four rounds with x = 1, 2, 3, 4; the third is the best."""
    root = make_repository(tmp_path_factory.mktemp("rounds") / "repo", FILES)
    with pytest.MonkeyPatch.context() as patch:
        run_stages_here(patch)
        assert loop(root, stops=StopConditions(4), workers=1) == 0
    return root


@pytest.fixture
def repo(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run_stages_here(monkeypatch)
    return Path(shutil.copytree(template, tmp_path / "repo", symlinks=True))


def run_stages_here(patch: pytest.MonkeyPatch) -> None:
    """Let the loop run stages one after the other, without Prefect and MLflow."""

    def carry_out(session: Session, **_: Any) -> int:
        run_here(session.repository.root)
        return 0

    patch.setattr(driver, "carry_out", carry_out)
    patch.setattr(restore, "carry_out", carry_out)
    patch.setattr(driver, "Recorder", NoRecorder)
    patch.setattr(driver, "_hold_server", lambda _: None)


def digest(root: Path) -> str:
    repository = engine.open_repository(root)
    return observe(repository, engine.declare(repository)).digest


def content(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text() for name in CONTENT}


def ran(root: Path) -> int:
    return len((root / "ran.log").read_text().splitlines())


def test_the_best_round_is_restored_when_the_loop_ends(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "x: 3  # seen" in (repo / "params.yaml").read_text()
    assert json.loads((repo / "score.json").read_text()) == {"loss": 0}
    assert set(verdicts(repo).values()) == {"skip"}
    # the journal keeps all rounds; its last entry is the restoration
    entries = json.loads((repo / "journal.json").read_text())
    assert [entry["score"] for entry in entries] == [4, 1, 0, 1]
    assert entries[-1]["patch"] == [{"key": "x", "was": 4, "now": 3}]
    assert "back to round 3, the best" in entries[-1]["reason"]


def test_every_round_is_restored_exactly_and_nothing_runs(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "carry_out", lambda *_, **__: pytest.fail("the cache holds it all"))
    saved, before = rounds.saved_rounds(repo), ran(repo)
    assert sorted(saved) == [1, 2, 3, 4]
    for number in (2, 4, 1, 3):
        assert run_at(repo, number, workers=1) == 0
        assert digest(repo) == saved[number].state
        assert f"x: {number}  # seen" in (repo / "params.yaml").read_text()
        assert len(json.loads((repo / "journal.json").read_text())) == number - 1
        assert json.loads((repo / "score.json").read_text()) == {"loss": (number - 3) ** 2}
        assert set(verdicts(repo).values()) == {"skip"}
        assert dvc_status(repo) == {}
    assert ran(repo) == before


def test_the_replaced_state_is_saved_and_can_be_restored(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repo, {"params.yaml": "# mine\nx: 7\nrows: 5\n", "config.json": '{"deep": {"y": 2}}\n'})
    write(repo, {"words.yaml": "word: mine\n"})
    run_here(repo)
    before, was, number_run = content(repo), digest(repo), ran(repo)
    assert run_at(repo, 2, workers=1) == 0
    message = "the current state is saved as round 5: `statewright run --at 5` restores it"
    assert message in capsys.readouterr().err
    assert content(repo) != before
    assert run_at(repo, 5, workers=1) == 0
    assert content(repo) == before and digest(repo) == was
    # round 2 was the current state: it is saved once
    assert sorted(rounds.saved_rounds(repo)) == [1, 2, 3, 4, 5]
    assert ran(repo) == number_run


def test_an_output_that_is_in_no_cache_is_moved_to_another_folder(repo: Path) -> None:
    (repo / "feedback.json").unlink()
    write(repo, {"feedback.json": "by hand\n", "score.json": "by hand too\n"})
    assert run_at(repo, 1, workers=1) == 0
    aside = {p.name: p.read_text() for p in (repo / ".statewright" / "aside").rglob("*") if p.is_file()}
    assert aside == {"feedback.json": "by hand\n", "score.json": "by hand too\n"}
    assert digest(repo) == rounds.saved_rounds(repo)[1].state


def test_an_output_that_the_cache_lost_is_computed_again_with_a_message(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = {out["md5"] for out in outputs_of(rounds.saved_rounds(repo)[2], "feedback")}
    for value in hashes:
        (repo / ".dvc" / "cache" / "files" / "md5" / value[:2] / value[2:]).unlink()
    before = ran(repo)
    assert run_at(repo, 2, workers=1) == 0
    assert "the cache lacks outputs of the round: feedback will run" in capsys.readouterr().err
    assert digest(repo) == rounds.saved_rounds(repo)[2].state
    assert ran(repo) == before + 1


def outputs_of(saved: rounds.SavedRound, stage: str) -> list[dict[str, Any]]:
    from ruamel.yaml import YAML

    lock = YAML(typ="safe").load(saved.files["dvc.lock"] or "")
    outs: list[dict[str, Any]] = lock["stages"][stage]["outs"]
    return outs


@pytest.mark.slow
def test_after_a_kill_at_any_write_the_same_command_completes_the_restoration(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = rounds.saved_rounds(repo)[1]
    for fatal in range(5):
        assert run_at(repo, 3, workers=1) == 0
        with monkeypatch.context() as patch:
            die_at_write(patch, fatal)
            with pytest.raises(KeyboardInterrupt):
                run_at(repo, 1, workers=1)
        assert run_at(repo, 1, workers=1) == 0
        assert digest(repo) == want.state
        assert {name: (repo / name).read_text() for name in want.files} == want.files


def die_at_write(patch: pytest.MonkeyPatch, fatal: int) -> None:
    """Raise `KeyboardInterrupt` at one write of params, journal, lock or an output."""
    writes = 0

    def count(call: Any) -> Any:
        def counting(*arguments: Any, **named: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == fatal + 1:
                raise KeyboardInterrupt
            return call(*arguments, **named)

        return counting

    from dvc.output import Output

    patch.setattr(rounds, "replacing", count(rounds.replacing))
    patch.setattr(Output, "checkout", count(Output.checkout))


def test_an_unknown_round_lists_the_saved_rounds(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"no saved round 9; there are 1 \(score 4\), 2 \(score 1\)"):
        run_at(repo, 9, workers=1)
    empty = make_repository(tmp_path / "empty", {"dvc.yaml": "stages: {}\n"})
    with pytest.raises(WorkflowError, match="there are no saved rounds; `statewright loop`"):
        run_at(empty, 1, workers=1)


@pytest.mark.slow
def test_a_repository_without_git_saves_rounds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "bare"
    root.mkdir()
    assert dvc(root, "init", "--no-scm", "--quiet") == 0
    write(root, FILES)
    run_stages_here(monkeypatch)
    assert loop(root, stops=StopConditions(2), workers=1) == 0
    before = ran(root)
    assert run_at(root, 1, workers=1) == 0
    assert digest(root) == rounds.saved_rounds(root)[1].state and ran(root) == before


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_rounds_are_dvc_experiments_and_git_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dvc.repo import Repo

    root = make_repository(tmp_path / "repo", FILES)
    head = commit(root)
    write(root, {"dvc.yaml": FILES["dvc.yaml"] + "\n# changed, not committed\n"})
    git(root, "add", "dvc.yaml")
    write(root, {"feedback.sh": FILES["feedback.sh"] + "\n# nor this\n"})
    index = git(root, "ls-files", "--stage")
    run_stages_here(monkeypatch)
    assert loop(root, stops=StopConditions(2), workers=1) == 0
    assert (git(root, "rev-parse", "HEAD"), git(root, "stash", "list")) == (head, "")
    assert git(root, "ls-files", "--stage") == index
    with Repo(str(root)) as repo:
        names = [row[0] for row in repo.experiments.ls()[head]]
        assert sorted(name[:8] for name in names) == ["round-1-", "round-2-"]
        second = next(name for name in names if name.startswith("round-2"))
        shown = repo.metrics.show(revs=[second], all_branches=False)
        assert shown[second]["data"]["score.json"]["data"] == {"loss": 1}
    ref = git(root, "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{second}")
    assert git(root, "show", f"{ref}:params.yaml") == "x: 2  # seen\nrows: 3"
    assert "# nor this" in git(root, "show", f"{ref}:feedback.sh")
    assert (
        git(root, "show", f"{ref}:dvc.lock") == (rounds.saved_rounds(root)[2].files["dvc.lock"] or "").strip()
    )
    assert git(root, "log", "-1", "--format=%P", ref) == head
    # and DVC itself can restore it
    git(root, "checkout", "--quiet", "--force", "HEAD")
    assert dvc(root, "exp", "apply", second, "--quiet") == 0
    assert (root / "score.json").read_text() == '{"loss": 1 }\n'


def test_without_a_commit_there_is_no_experiment(repo: Path) -> None:
    assert save_experiment(repo, "x", "m", []) == "this repository has no git commit yet"
    assert git(repo, "for-each-ref") == ""
