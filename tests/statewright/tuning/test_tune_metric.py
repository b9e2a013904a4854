"""The metric of a study: its name, its direction, and holdouts."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import make_toy
from toys import make_repository, write

from statewright.reads.store import ReadStore, save_reads
from statewright.session import open_session
from statewright.tuning.metric import assumed_direction, resolve_metric
from statewright.workflow import WorkflowError


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("m.json:loss", "min"),
        ("m.json:val.log_loss", "min"),
        ("m.json:testRmse", "min"),
        ("m.json:error.rate", "min"),
        ("m.json:accuracy", "max"),
        ("m.json:test.f1-score", "max"),
        ("m.json:roc_auc", "max"),
        ("m.json:f1.error", "min"),  # the last part of a key tells most
        ("m.json:precision_loss", None),
        ("loss.json:value", None),
        ("m.json:", None),
    ],
)
def test_a_direction_is_told_by_a_name_or_not_at_all(metric: str, direction: str | None) -> None:
    assert assumed_direction(metric) == direction


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    root = make_toy(tmp_path / "toy")
    (root / "score.json").write_text('{"val": {"loss": 1.5}, "test_loss": 2}')
    return root


def resolved(root: Path, name: str, target: str = "train") -> str:
    return resolve_metric(open_session(root, [target]), name)


def test_a_metric_is_found_by_the_end_of_its_name(toy: Path) -> None:
    for name in ("score.json:val.loss", "val.loss", "loss"):
        assert resolved(toy, name) == "score.json:val.loss"
    for name in ("score.json:los", "los"):
        with pytest.raises(WorkflowError, match=r"did you mean score.json:val.loss.*`statewright run train`"):
            resolved(toy, name)


def test_a_metrics_file_that_does_not_exist_yet_needs_no_more_than_its_key(toy: Path) -> None:
    (toy / "score.json").unlink()
    assert resolved(toy, "loss") == "score.json:loss"
    assert resolved(toy, "score.json:val.loss") == "score.json:val.loss"


def test_a_metric_that_no_stage_of_the_trial_writes_is_refused(toy: Path) -> None:
    with pytest.raises(WorkflowError, match=r"target writes other.json; they write score.json"):
        resolved(toy, "other.json:loss")
    with pytest.raises(WorkflowError, match="no stage of the target declares a metrics file"):
        resolved(toy, "loss", "prep")


def test_a_name_of_several_metrics_is_refused(toy: Path) -> None:
    (toy / "score.json").write_text('{"val": {"loss": 1.5}, "test": {"loss": 2}}')
    with pytest.raises(WorkflowError, match=r"may be any of score.json:test.loss, score.json:val.loss"):
        resolved(toy, "loss")


HOLDOUT = {
    "params.yaml": "n: 1\n",
    "dvc.yaml": """
        stages:
          split:
            cmd: touch train.txt test.txt
            outs: [train.txt, test.txt]
            meta: {holdout: [test.txt]}
          fit:
            cmd: cat train.txt && echo '{"loss":1}' > fit.json
            deps: [train.txt]
            params: [n]
            metrics: [fit.json]
          judge:
            cmd: cat test.txt && echo '{"loss":1}' > judge.json
            deps: [test.txt, fit.json]
            metrics: [judge.json]
          exam:
            cmd: echo '{"loss":1}' > exam.json
            deps: [fit.json]
            metrics: [exam.json]
            meta: {holdout: exam.json}
        """,
}


def test_a_holdout_may_be_neither_the_metric_nor_read(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", HOLDOUT)
    assert resolved(root, "fit.json:loss", "fit") == "fit.json:loss"
    with pytest.raises(WorkflowError, match=r"exam.json is a holdout of stage 'exam', which no search"):
        resolved(root, "exam.json:loss", "exam")
    with pytest.raises(WorkflowError, match=r"stage 'judge' declares test.txt, a holdout of stage 'split'"):
        resolved(root, "judge.json:loss", "judge")
    # the metric of an earlier stage does not help: the target reads it
    with pytest.raises(WorkflowError, match="a holdout of stage 'split'"):
        resolved(root, "fit.json:loss", "judge")


def test_an_observed_read_of_a_holdout_is_refused(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", HOLDOUT)
    session = open_session(root, ["fit"])
    reads = ReadStore()
    reads.add(session.workflow.stages["fit"], ["test.txt"], own=False)
    save_reads(root, reads, session.workflow.stages)
    with pytest.raises(WorkflowError, match=r"stage 'fit' was observed to read test.txt, a holdout"):
        resolved(root, "fit.json:loss", "fit")


def test_a_target_without_the_metric_names_the_stage_that_has_it(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", HOLDOUT)
    write(root, {"exam.json": '{"loss": 1}', "fit.json": '{"loss": 1}'})
    with pytest.raises(WorkflowError, match=r"stage 'exam' writes it: `statewright tune exam --metric"):
        resolved(root, "exam.json:loss", "fit")
