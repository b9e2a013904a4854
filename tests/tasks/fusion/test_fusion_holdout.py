"""The test rows of the pipeline fusion are a holdout that its loop does not need."""

from __future__ import annotations

from pathlib import Path

import pytest

from statewright.planning.holdout import holdout_reads, holdouts, unknown_holdouts
from statewright.repository.declaration import declare, open_repository
from statewright.workflow import Workflow

ROOT = Path(__file__).parents[3]
TEST_ROWS = "data/fusion/holdout.safetensors"


@pytest.fixture(scope="module")
def workflow() -> Workflow:
    return declare(open_repository(ROOT))


def test_the_loop_reads_no_test_rows(workflow: Workflow) -> None:
    assert holdouts(workflow)[TEST_ROWS] == "fusion-preprocess"
    assert list(unknown_holdouts(workflow)) == []
    assert holdout_reads(workflow, ["fusion-feedback"], {}) == ()


def test_the_judge_does_and_no_stage_of_the_loop_needs_it(workflow: Workflow) -> None:
    found = holdout_reads(workflow, ["fusion-report"], {})
    assert [(read.stage, read.read) for read in found] == [("fusion-judge", TEST_ROWS)]
    assert not workflow.ancestors(["fusion-feedback"]) & {"fusion-judge", "fusion-report"}
