"""The closed loop: its rounds, patches, journal and stop conditions."""

from __future__ import annotations

import io
import json
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from toys import dvc_status, make_repository, run_here, statewright, verdicts, write

from statewright import parameters
from statewright.contracts import ContractError
from statewright.loop import approval, restore, rounds
from statewright.loop import driver as engine
from statewright.loop.driver import loop
from statewright.loop.feedback import apply_round
from statewright.loop.judge import StopConditions, Target
from statewright.running.recorder import wait_until_recorded
from statewright.session import Session
from statewright.workflow import WorkflowError

PARAMS = """\
# Parameters of the search.
toy:
  x: 5          # current position
  rate: 0.5     # step, as a fraction of the distance
"""
FILES = {
    "params.yaml": PARAMS,
    "journal.json": "[]\n",
    "dvc.yaml": """
        stages:
          score:
            cmd: python score.py
            deps: [score.py]
            params: [toy.x]
            metrics: [score.json]
          feedback:
            cmd: python feedback.py
            deps: [feedback.py, score.json, journal.json]
            params: [toy]
            outs: [feedback.json]
            meta: {journal: journal.json, show: ["feedback.json:score"]}
        """,
    # Regular expressions and JSON are enough to read these files, without a YAML library.
    "score.py": """
        import json, re
        x = float(re.search(r"x: (\\S+)", open("params.yaml").read()).group(1))
        json.dump({"loss": (x - 3) ** 2}, open("score.json", "w"))
        """,
    "feedback.py": """
        import json, re
        text = open("params.yaml").read()
        x, rate = (float(re.search(name + r": (\\S+)", text).group(1)) for name in ("x", "rate"))
        loss = json.load(open("score.json"))["loss"]
        rounds = len(json.load(open("journal.json")))
        now = int(x - 2 * rate) if x > 3 else 3
        patch = [] if loss == 0 else [{"key": "toy.x", "was": x, "now": now}]
        reason = f"loss {loss:g} after {rounds} rounds"
        feedback = {"stop": loss == 0, "reason": reason, "score": loss, "patch": patch}
        json.dump(feedback, open("feedback.json", "w"))
        """,
}


class NoRecorder:
    """A recorder that does nothing."""

    def __init__(self, *_: Any) -> None: ...

    def round(self, *_: Any, **__: Any) -> None: ...

    def close(self) -> tuple[None, None]:
        return None, None


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy whose stages run one after the other, without Prefect."""
    root = make_repository(tmp_path / "repo", FILES)

    def carry_out(session: Session, **_: Any) -> int:
        run_here(session.repository.root)
        return 0

    monkeypatch.setattr(engine, "carry_out", carry_out)
    monkeypatch.setattr(restore, "carry_out", carry_out)
    monkeypatch.setattr(engine, "Recorder", NoRecorder)
    monkeypatch.setattr(engine, "_hold_server", lambda _: None)
    return root


def journal(root: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((root / "journal.json").read_text())
    return entries


def test_the_loop_runs_until_feedback_says_stop(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loop(repo, None, stops=StopConditions(10), workers=1) == 0
    assert [entry["score"] for entry in journal(repo)] == [4, 1]
    assert [entry["round"] for entry in journal(repo)] == [1, 2]
    assert journal(repo)[0]["patch"] == [{"key": "toy.x", "was": 5, "now": 4}]
    assert journal(repo)[1]["reason"] == "loss 1 after 1 rounds"
    assert len({entry["state"] for entry in journal(repo)}) == 2
    assert journal(repo)[0]["plan"] == {"score": "must", "feedback": "must"}
    assert journal(repo)[1]["before"] == journal(repo)[0]["state"]
    assert (repo / "params.yaml").read_text() == PARAMS.replace("x: 5", "x: 3")
    out, err = capsys.readouterr()
    assert "round 3: score 0, a gain of 1; loss 0 after 2 rounds" in err
    assert err.count("rounds are not saved as DVC experiments: this repository has no git commit yet") == 1
    assert out.endswith("score: 0\n")
    # the last round changed neither params nor journal: everything is up to date
    assert set(verdicts(repo).values()) == {"skip"}
    assert dvc_status(repo) == {}


def test_no_patch_is_applied_after_the_last_round(repo: Path) -> None:
    assert loop(repo, "feedback", stops=StopConditions(2), workers=1) == 0
    assert len(journal(repo)) == 1
    assert "x: 4" in (repo / "params.yaml").read_text()
    assert dvc_status(repo) == {}
    assert loop(repo, "feedback", stops=StopConditions(2), workers=1) == 0
    assert [entry["round"] for entry in journal(repo)] == [1, 2]


def test_a_loop_in_a_cycle_ends(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Feedback that alternates between two values returns to an earlier state."""
    text = (repo / "dvc.yaml").read_text().replace(", journal.json]", "]")
    swing = """
        import json, re
        x = float(re.search(r"x: (\\S+)", open("params.yaml").read()).group(1))
        patch = [{"key": "toy.x", "was": x, "now": 11 - int(x)}]
        json.dump({"stop": False, "reason": "swing", "score": 1, "patch": patch}, open("feedback.json", "w"))
        """
    write(repo, {"dvc.yaml": text, "feedback.py": swing})
    assert loop(repo, None, stops=StopConditions(10), workers=1) == 0
    assert "in a cycle" in capsys.readouterr().err
    assert len(journal(repo)) == 2


def test_a_failed_stage_ends_the_loop_with_status_1(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "carry_out", lambda *_, **__: 1)
    assert loop(repo, None, stops=StopConditions(3), workers=1) == 1
    assert journal(repo) == []


def set_feedback(repo: Path, **feedback: Any) -> None:
    """Let the feedback stage write this feedback."""
    value = {"stop": False, "reason": "r", "score": 1.0, "patch": [], **feedback}
    write(repo, {"feedback.py": f"open('feedback.json', 'w').write({json.dumps(value)!r})\n"})


@pytest.mark.parametrize(
    ("feedback", "words"),
    [
        ({"patch": [{"key": "toy.y", "was": 1, "now": 2}]}, "no key 'toy.y'; did you mean"),
        ({"patch": [{"key": "toy.x", "was": 5, "now": "far"}]}, "cannot become 'far'"),
        ({"patch": [{"key": "toy.x", "was": 5, "now": 5}]}, "a patch that changes nothing"),
        ({}, "a patch that changes nothing"),
    ],
)
def test_a_patch_that_cannot_be_applied_is_an_error_and_changes_nothing(
    repo: Path, feedback: dict[str, Any], words: str
) -> None:
    set_feedback(repo, **feedback)
    with pytest.raises(WorkflowError, match=words):
        loop(repo, None, stops=StopConditions(3), workers=1)
    assert (repo / "params.yaml").read_text() == PARAMS
    assert journal(repo) == []


def test_feedback_that_breaks_its_contract_is_an_error(repo: Path) -> None:
    set_feedback(repo, score="good")
    with pytest.raises(ContractError, match=r"feedback\.json breaks the contract Feedback"):
        loop(repo, None, stops=StopConditions(3), workers=1)
    set_feedback(repo, score=float("nan"))
    with pytest.raises(ContractError, match=r"score is nan, expected a finite number"):
        loop(repo, None, stops=StopConditions(3), workers=1)


def test_a_workflow_with_no_or_two_feedback_stages_is_an_error(repo: Path) -> None:
    text = (repo / "dvc.yaml").read_text()
    write(repo, {"dvc.yaml": text.replace("meta: {journal: journal.json, ", "meta: {")})
    with pytest.raises(WorkflowError, match=r"expected one feedback stage .*, found none"):
        loop(repo, None, stops=StopConditions(1), workers=1)
    more = "  other: {cmd: x, outs: [o.json], meta: {journal: journal.json}}\n"
    write(repo, {"dvc.yaml": text + more})
    with pytest.raises(WorkflowError, match=r"found (feedback, other|other, feedback)"):
        loop(repo, None, stops=StopConditions(1), workers=1)


def test_the_loop_obeys_its_limits_and_its_target(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loop(repo, stops=StopConditions(9, budget_s=0), workers=1) == 0
    assert "the budget of 0 min is spent" in capsys.readouterr().err
    assert journal(repo) == []
    assert loop(repo, stops=StopConditions(9, target=Target("score.loss", "<=", 1)), workers=1) == 0
    assert "target met: score.json:loss is 1 (score.json:loss<=1)" in capsys.readouterr().err
    assert "x: 4" in (repo / "params.yaml").read_text()
    # further rounds are worse: patience ends the loop, and the best state is restored
    write(
        repo, {"feedback.py": FILES["feedback.py"].replace("int(x - 2 * rate) if x > 3 else 3", "int(x + 1)")}
    )
    assert loop(repo, stops=StopConditions(9, patience=2), workers=1) == 0
    assert "no gain on round 3 (score 1) in 2 rounds" in capsys.readouterr().err
    assert "x: 4" in (repo / "params.yaml").read_text()
    assert [entry["patch"][0]["now"] for entry in journal(repo)] == [4, 5, 6, 4]
    assert dvc_status(repo) == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [("score.los", r"no metric 'score\.los'; did you mean score\.json:loss\?"), ("json", "no metric 'json'")],
)
def test_an_unknown_metric_is_an_error_before_a_stage_runs(
    repo: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(repo)
    write(repo, {"params.yaml": PARAMS.replace("x: 5", "x: 6")})
    monkeypatch.setattr(engine, "carry_out", lambda *_, **__: pytest.fail("a stage ran"))
    with pytest.raises(WorkflowError, match=words):
        loop(repo, stops=StopConditions(9, target=Target(name, "<=", 1)), workers=1)


def test_a_metric_file_that_does_not_exist_is_computed_first(repo: Path) -> None:
    with pytest.raises(WorkflowError, match="no metric 'los'"):
        loop(repo, stops=StopConditions(9, target=Target("los", "<=", 1)), workers=1)
    assert dvc_status(repo) == {} and journal(repo) == []


@pytest.mark.slow
def test_the_stage_of_the_target_metric_runs_in_every_round(repo: Path) -> None:
    """Check a stage that the feedback stage does not depend on."""
    other = """
          other:
            cmd: grep -o 'x. [0-9]*' params.yaml | sed 's/x. \\(.*\\)/{"x":\\1}/' > other.json
            deps: [score.json]
            params: [toy.x]
            metrics: [other.json]
        """
    write(repo, {"dvc.yaml": FILES["dvc.yaml"].rstrip() + other})
    assert loop(repo, stops=StopConditions(9, target=Target("x", "==", 4)), workers=1) == 0
    assert "x: 4" in (repo / "params.yaml").read_text()
    assert dvc_status(repo) == {}


def test_a_person_can_reject_a_patch(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions: list[str] = []

    def answer(question: str) -> bool:
        questions.append(question)
        return len(questions) == 1

    assert loop(repo, stops=StopConditions(9), workers=1, ask=answer) == 0
    assert questions == [
        "loss 4 after 0 rounds\nchange toy.x 5 -> 4 and continue?",
        "loss 1 after 1 rounds\nchange toy.x 4 -> 3 and continue?",
    ]
    assert "the change toy.x 4 -> 3 was rejected" in capsys.readouterr().err
    assert "x: 4" in (repo / "params.yaml").read_text() and len(journal(repo)) == 1
    assert dvc_status(repo) == {}


@pytest.mark.parametrize(("typed", "yes"), [("y\n", True), ("n\n", False), ("what\nn\n", False)])
def test_a_question_in_the_terminal(typed: str, yes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert approval.ask_in_terminal("change it?") is yes


def test_the_prompt_is_the_terminal_or_else_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "use_running_server", lambda: False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(WorkflowError, match="--ask needs a terminal or a Prefect server"):
        approval.select_prompt()
    monkeypatch.setattr(approval, "use_running_server", lambda: True)
    assert approval.select_prompt() is approval.ask_in_prefect


@pytest.mark.parametrize(
    "fatal",
    [
        "between journal and patch",
        pytest.param("before the journal", marks=pytest.mark.slow),
        pytest.param("after the patch", marks=pytest.mark.slow),
    ],
)
def test_a_killed_loop_resumes_as_if_it_had_not_been_killed(
    repo: Path, fatal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if fatal == "before the journal":
            patch.setattr(rounds, "write_journal", kill)
        elif fatal == "between journal and patch":
            patch.setattr(parameters, "apply", kill)
        else:
            patch.setattr(engine, "apply_round", lambda *given: (apply_round(*given), kill()))
        with pytest.raises(KeyboardInterrupt):
            loop(repo, stops=StopConditions(9), workers=1)
    assert loop(repo, stops=StopConditions(9), workers=1) == 0
    assert [(entry["round"], entry["score"]) for entry in journal(repo)] == [(1, 4), (2, 1)]
    assert [entry["patch"][0]["now"] for entry in journal(repo)] == [4, 3]
    assert (repo / "params.yaml").read_text() == PARAMS.replace("x: 5", "x: 3")
    assert dvc_status(repo) == {}


@pytest.mark.slow
def test_a_patch_that_a_person_reverted_is_not_applied_again(repo: Path) -> None:
    assert loop(repo, stops=StopConditions(2), workers=1) == 0
    write(repo, {"params.yaml": PARAMS})
    run_here(repo)
    assert loop(repo, stops=StopConditions(1), workers=1) == 0
    assert (repo / "params.yaml").read_text() == PARAMS


def test_a_missing_journal_is_created_and_a_damaged_one_is_an_error(repo: Path) -> None:
    (repo / "journal.json").unlink()
    assert loop(repo, stops=StopConditions(1), workers=1) == 0
    assert journal(repo) == [] and dvc_status(repo) == {}
    for text in ("{}", "[1]", "[{"):
        (repo / "journal.json").write_text(text)
        with pytest.raises(WorkflowError, match=r"journal\.json.*`\[\]`"):
            loop(repo, stops=StopConditions(1), workers=1)


def test_after_a_failed_round_a_message_names_the_command_that_restores_the_best(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    carry_out = engine.carry_out
    results = iter([carry_out, lambda *_, **__: 1])
    monkeypatch.setattr(engine, "carry_out", lambda *a, **named: next(results)(*a, **named))
    assert loop(repo, stops=StopConditions(9), workers=1) == 1
    assert "`statewright run --at 1` restores the best round (score 4)" in capsys.readouterr().err
    assert restore.run_at(repo, 1, workers=1) == 0
    assert (repo / "params.yaml").read_text() == PARAMS
    assert set(verdicts(repo).values()) == {"skip"}


@pytest.mark.end_to_end
@pytest.mark.parametrize("go_on", [True, False])
def test_a_question_on_the_page_of_prefect(prefect_server: str, go_on: bool) -> None:
    """Resume the paused flow run of a question with an answer, as a person does."""
    from prefect.client.orchestration import get_client
    from prefect.flow_runs import resume_flow_run

    answers: list[bool] = []
    text = f"change it? {uuid.uuid4()}"
    # A daemon thread: if this test fails, the question must not keep the process alive.
    question = threading.Thread(
        target=lambda: answers.append(approval.ask_in_prefect(text, poll_s=1)), daemon=True
    )
    question.start()
    with get_client(sync_client=True) as client:
        run_id = wait_for_question(client, text)
    resume_flow_run(run_id, run_input={"go_on": go_on})
    question.join(timeout=180)
    assert answers == [go_on]


def wait_for_question(client: Any, text: str, seconds: float = 180) -> Any:
    """Wait for a paused flow run that asks `text`; return its id.

    Prefect first sets the state of the run and then stores the inputs of the form, so a paused run
    may have no description yet.
    """
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for run in client.read_flow_runs():
            if run.state is not None and run.state.is_paused():
                keyset = run.state.state_details.run_input_keyset
                # Which of the two a missing input raises depends on the client.
                with suppress(ObjectNotFound, PrefectHTTPStatusError):
                    if text in str(client.read_flow_run_input(run.id, keyset["description"])):
                        return run.id
        time.sleep(0.2)
    pytest.fail(f"no flow run asked a question within {seconds:.0f} s")


@pytest.mark.slow
def test_a_loop_through_prefect(tmp_path: Path, prefect_server: str) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    write(root, {"params.yaml": PARAMS.replace("x: 5", "x: 4")})
    command = statewright(root, "loop", "--rounds", "5", "--workers", "2")
    assert command.returncode == 0, command.stderr
    assert "round 1: score 1; loss 1 after 0 rounds" in command.stderr
    assert "round 2: score 0, a gain of 1; loss 0 after 1 rounds" in command.stderr
    assert (root / "params.yaml").read_text() == PARAMS.replace("x: 5", "x: 3")
    assert [entry["patch"] for entry in journal(root)] == [[{"key": "toy.x", "was": 4, "now": 3}]]
    assert dvc_status(root) == {}
    # each round is a run of MLflow with the runs of its stages as children
    from mlflow import MlflowClient

    assert wait_until_recorded(root) is None
    client = MlflowClient(f"sqlite:///{root / '.statewright' / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    by_round = {
        run.data.tags["statewright.round"]: run for run in runs if "statewright.round" in run.data.tags
    }
    assert sorted(by_round) == ["1", "2"]
    assert json.loads(by_round["1"].data.tags["statewright.round.patch"])[0]["now"] == 3
    assert by_round["2"].data.tags["statewright.round.reason"] == "loss 0 after 1 rounds"
    assert by_round["1"].data.metrics["round.score"] == 1
    before, after = (by_round["2"].data.tags[f"statewright.state.{when}"] for when in ("before", "after"))
    assert before == journal(root)[0]["state"] == by_round["1"].data.tags["statewright.state.after"] != after
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == by_round["1"].info.run_id]
    assert {run.data.tags["statewright.stage"] for run in children} == {"score", "feedback"}
