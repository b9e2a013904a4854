"""The closed loop: judge, revise, journal, and when it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toys import dvc_status, make_repository, run_here, statewright, verdicts, write

from statewright import loop as engine
from statewright.contracts import ContractError, Feedback
from statewright.loop import judge, loop
from statewright.session import Session
from statewright.workflow import WorkflowError

PARAMS = """\
# What is sought.
toy:
  x: 5          # where we stand
  rate: 0.5     # step, as a part of the way
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
    # Both are JSON as far as they are read here: no library needed.
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
        said = {"stop": loss == 0, "reason": reason, "score": loss, "patch": patch}
        json.dump(said, open("feedback.json", "w"))
        """,
}


def feedback(**more: Any) -> Feedback:
    return Feedback(**{"stop": False, "reason": "better so", "score": 1.0, **more})


def test_it_goes_on_while_feedback_proposes_and_rounds_are_left() -> None:
    verdict = judge(feedback(), 1, 3, "b", ["a"])
    assert (verdict.stop, verdict.reason) == (False, "better so")


@pytest.mark.parametrize(
    ("said", "number", "digest", "words"),
    [
        (feedback(stop=True, reason="good enough"), 1, "b", "good enough"),
        (feedback(), 2, "a", "in a circle"),
        (feedback(), 3, "b", "3 rounds are spent; next would have been: better so"),
        (feedback(stop=True, reason="good enough"), 3, "a", "good enough"),
    ],
)
def test_it_stops_with_a_reason(said: Feedback, number: int, digest: str, words: str) -> None:
    verdict = judge(said, number, 3, digest, ["a"])
    assert verdict.stop and words in verdict.reason


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy whose stages are run here, one after the other, instead of by Prefect."""
    root = make_repository(tmp_path / "repo", FILES)

    def carry_out(session: Session, **_: Any) -> int:
        run_here(session.repository.root)
        return 0

    monkeypatch.setattr(engine, "carry_out", carry_out)
    return root


def journal(root: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((root / "journal.json").read_text())
    return found


def test_it_runs_until_feedback_says_stop(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loop(repo, None, rounds=10, workers=1) == 0
    assert [entry["score"] for entry in journal(repo)] == [4, 1]
    assert [entry["round"] for entry in journal(repo)] == [1, 2]
    assert journal(repo)[0]["patch"] == [{"key": "toy.x", "was": 5, "now": 4}]
    assert journal(repo)[1]["reason"] == "loss 1 after 1 rounds"
    assert len({entry["state"] for entry in journal(repo)}) == 2
    assert (repo / "params.yaml").read_text() == PARAMS.replace("x: 5", "x: 3")
    out, err = capsys.readouterr()
    assert "round 3: score 0; loss 0 after 2 rounds" in err
    assert out.endswith("score: 0\n")
    # the last round changed neither params nor journal: everything is up to date
    assert set(verdicts(repo).values()) == {"skip"}
    assert dvc_status(repo) == {}


def test_when_the_rounds_are_spent_nothing_is_patched_any_more(repo: Path) -> None:
    assert loop(repo, "feedback", rounds=2, workers=1) == 0
    assert len(journal(repo)) == 1
    assert "x: 4" in (repo / "params.yaml").read_text()
    assert dvc_status(repo) == {}
    assert loop(repo, "feedback", rounds=2, workers=1) == 0
    assert [entry["round"] for entry in journal(repo)] == [1, 2]


def test_a_loop_that_goes_in_a_circle_ends(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Feedback that does not read the journal and swings to and fro comes back to a state."""
    text = (repo / "dvc.yaml").read_text().replace(", journal.json]", "]")
    swing = """
        import json, re
        x = float(re.search(r"x: (\\S+)", open("params.yaml").read()).group(1))
        patch = [{"key": "toy.x", "was": x, "now": 11 - int(x)}]
        json.dump({"stop": False, "reason": "swing", "score": 1, "patch": patch}, open("feedback.json", "w"))
        """
    write(repo, {"dvc.yaml": text, "feedback.py": swing})
    assert loop(repo, None, rounds=10, workers=1) == 0
    assert "in a circle" in capsys.readouterr().err
    assert len(journal(repo)) == 2


def test_a_failed_stage_ends_the_loop_with_status_1(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "carry_out", lambda *_, **__: 1)
    assert loop(repo, None, rounds=3, workers=1) == 1
    assert journal(repo) == []


def say(repo: Path, **said: Any) -> None:
    """Let the feedback stage say this."""
    value = {"stop": False, "reason": "r", "score": 1.0, "patch": [], **said}
    write(repo, {"feedback.py": f"open('feedback.json', 'w').write({json.dumps(value)!r})\n"})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"patch": [{"key": "toy.y", "was": 1, "now": 2}]}, "no key 'toy.y'; did you mean"),
        ({"patch": [{"key": "toy.x", "was": 5, "now": "far"}]}, "cannot become 'far'"),
        ({"patch": [{"key": "toy.x", "was": 5, "now": 5}]}, "a patch that changes nothing"),
        ({}, "a patch that changes nothing"),
    ],
)
def test_a_patch_that_cannot_be_applied_is_an_error_and_changes_nothing(
    repo: Path, said: dict[str, Any], words: str
) -> None:
    say(repo, **said)
    with pytest.raises(WorkflowError, match=words):
        loop(repo, None, rounds=3, workers=1)
    assert (repo / "params.yaml").read_text() == PARAMS
    assert journal(repo) == []


def test_feedback_that_breaks_its_contract_is_an_error(repo: Path) -> None:
    say(repo, score="good")
    with pytest.raises(ContractError, match=r"feedback\.json breaks the contract Feedback"):
        loop(repo, None, rounds=3, workers=1)


def test_a_workflow_without_or_with_two_feedback_stages_says_so(repo: Path) -> None:
    text = (repo / "dvc.yaml").read_text()
    write(repo, {"dvc.yaml": text.replace("meta: {journal: journal.json, ", "meta: {")})
    with pytest.raises(WorkflowError, match="is needed, found none"):
        loop(repo, None, rounds=1, workers=1)
    more = "  other: {cmd: x, outs: [o.json], meta: {journal: journal.json}}\n"
    write(repo, {"dvc.yaml": text + more})
    with pytest.raises(WorkflowError, match=r"found (feedback, other|other, feedback)"):
        loop(repo, None, rounds=1, workers=1)


@pytest.mark.slow
def test_a_loop_through_prefect(tmp_path: Path, prefect_server: str) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    write(root, {"params.yaml": PARAMS.replace("x: 5", "x: 4")})
    done = statewright(root, "loop", "--rounds", "5", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "round 1: score 1; loss 1 after 0 rounds" in done.stderr
    assert "round 2: score 0; loss 0 after 1 rounds" in done.stderr
    assert (root / "params.yaml").read_text() == PARAMS.replace("x: 5", "x: 3")
    assert [entry["patch"] for entry in journal(root)] == [[{"key": "toy.x", "was": 4, "now": 3}]]
    assert dvc_status(root) == {}
