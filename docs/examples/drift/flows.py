"""Flows of the deployments in prefect.yaml."""

from __future__ import annotations

import shutil
from pathlib import Path

from prefect import flow

import statewright

ROOT = Path(__file__).parent


@flow
def check() -> None:
    """Compare the data that arrived; an alarm emits the event `statewright.drift`."""
    assert statewright.run(ROOT, ["check"])


@flow
def retrain() -> None:
    """Take the data that arrived as training data, and train."""
    temporary = ROOT / ".training.csv"
    shutil.copyfile(ROOT / "incoming.csv", temporary)
    temporary.replace(ROOT / "training.csv")
    assert statewright.run(ROOT, ["train"])
