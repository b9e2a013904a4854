"""Section of the report on the commands that reproduce it."""

from __future__ import annotations

from tasks.report.blocks import Commands, Prose, Section


def section() -> Section:
    """Return the section: the commands, and the files that record a run."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Prose(
                "The stages declared in dvc.yaml compute every number above from the tables in data/source, "
                "with the parameters in params.yaml. dvc.lock holds the hash of every file, and MLflow the "
                "record of each run. From a fresh copy of the repository:"
            ),
            Commands(
                (
                    "make run                          # all stages, then this page",
                    "statewright plan                  # the stages that would run, with reasons",
                    "dvc repro emotion-report          # the same with DVC alone",
                    "statewright run emotion-report    # the same as a Prefect flow",
                )
            ),
            Prose("The same inputs and parameters give the same page, byte for byte. It needs no network."),
        ),
    )
