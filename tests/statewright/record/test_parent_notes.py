"""The plan and the description of a transition, as Markdown."""

from __future__ import annotations

from typing import Any

import pytest

from statewright.record.experiment import web_address
from statewright.record.parents import LONGEST_NOTE, ParentEnd, ParentRecord, note, plan_markdown

CLEAN = {"mlflow.source.git.commit": "a" * 40, "statewright.git.dirty": "false"}
DIRTY = CLEAN | {"statewright.git.dirty": "true"}


def stage(verdict: str = "must", *texts: str, seconds: Any = None) -> dict[str, Any]:
    return {"verdict": verdict, "reasons": [{"text": text} for text in texts], "seconds": seconds}


PARENT = ParentRecord(
    "train.lr 0.2 -> 0.7",
    plan={
        "stages": {"clean": stage("skip"), "train": stage("must", "lr 0.2 -> 0.7", "a | b", seconds=(1, 4))}
    },
    command="statewright run train",
    changes=["train.lr=0.7"],
)
END = ParentEnd(
    tags={"prefect.link": "http://127.0.0.1:4200/runs/flow-run/1"},
    schedule={"predicted": 2.0, "actual": 3.25},
    times={"train": (10.0, 13.25)},
    outcomes={"train": "ran"},
)


def test_the_plan_has_a_row_for_each_stage() -> None:
    assert plan_markdown(PARENT).splitlines() == [
        "# train.lr 0.2 -> 0.7",
        "",
        "| stage | verdict | expected | why |",
        "| --- | --- | --- | --- |",
        "| clean | skip |  |  |",
        "| train | must | 1.0 to 4.0 s | lr 0.2 -> 0.7; a \\| b |",
    ]


def test_the_description_says_what_ran_where_and_how_to_repeat_it() -> None:
    assert note(PARENT, CLEAN, END).splitlines() == [
        "1 ran in 3.2 s; [the run in Prefect](http://127.0.0.1:4200/runs/flow-run/1)",
        "",
        "```console",
        "git checkout aaaaaaaaaaaa",
        "statewright run train",
        "```",
        "",
        "| stage | outcome | seconds | why |",
        "| --- | --- | --- | --- |",
        "| train | ran | 3.2 | lr 0.2 -> 0.7; a \\| b |",
    ]


def test_changed_params_that_are_in_no_commit_are_set_again() -> None:
    text = note(PARENT, DIRTY)
    assert "statewright run train --set train.lr=0.7\n" in text
    assert "git checkout aaaaaaaaaaaa  # the run had changes that are in no commit\n" in text
    assert "git checkout" not in note(PARENT, {})


@pytest.mark.parametrize(
    ("command", "changes", "repeated"),
    [
        ("run --set x=3", ["x=3.0"], "run --set x=3"),
        ("run --set=x=3 --set x=4 a", [], "run --set x=4 a"),
        ("run --set x=3 a", ["y=1", "x=5"], "run --set x=5 a --set y=1"),
        (
            "run --set params.yaml:x=3",
            ["x=3", "other.yaml:x=3"],
            "run --set params.yaml:x=3 --set other.yaml:x=3",
        ),
        ("run --set x=1", ["x=true"], "run --set x=true"),
        ("run --set 'name=a b'", ["'name=a b'"], "run --set 'name=a b'"),
        ("run --set token=***", [], "run --set 'token=***'"),
        ("run --set xy=3", ["x=3"], "run --set xy=3 --set x=3"),
    ],
)
def test_each_key_is_set_once_to_its_last_value(command: str, changes: list[str], repeated: str) -> None:
    given = ParentRecord("x", command=command, changes=changes)
    assert note(given, DIRTY).splitlines()[2] == repeated


@pytest.mark.parametrize("number", [15, 16, 400])
def test_a_long_description_is_cut_between_rows(number: int) -> None:
    stages = {f"stage-{n}": stage("must", "x" * 300) for n in range(number)}
    text = note(ParentRecord("first run", plan={"stages": stages}), CLEAN)
    rows = text.count("\n| stage-")
    assert len(text) <= LONGEST_NOTE and 0 < rows <= 15
    assert (f"{number - rows} more in the artifact plan.md." in text) == (rows < number)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:acme/houses.git", "https://github.com/acme/houses"),
        ("ssh://git@host.org:22/acme/houses.git", "https://host.org/acme/houses"),
        ("https://ada:secret@host.org/acme/houses.git", "https://host.org/acme/houses"),
        ("https://ghp_0123456789abcdef@github.com/a/b", "https://github.com/a/b"),
        ("https://host.org/acme/houses/", "https://host.org/acme/houses"),
        ("/srv/git/houses.git", "/srv/git/houses.git"),
        ("", ""),
    ],
)
def test_the_address_of_a_remote_opens_in_a_browser_and_holds_no_secret(remote: str, address: str) -> None:
    assert web_address(remote) == address
