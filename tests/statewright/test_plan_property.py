"""The plan never lies: random pipelines, random edits, and what plain ``dvc repro`` then does.

Each example is a small pipeline of shell commands that really compute (``cat``, ``head -n 1``, ``cut -c 1``:
equal bytes often come out of unequal ones), brought through a few rounds of edits. In each round the plan
is made first; then DVC alone reproduces everything, and what it did with each stage must be what the plan
had said. Each command appends the name of its stage to a file outside the repository.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, currently_in_test_context, event, given, note, settings
from toys import inside, make_repository
from worlds import KINDS, SOURCES, TEXTS, Node, World, declare_in, edit, put, rounds, worlds

from statewright.plan import Plan
from statewright.session import open_session
from statewright.settled import recall

PHRASES = {
    "restored": "is cached - skipping run",
    "unchanged": "didn't change, skipping",
    "verified": "Verifying ",
}


@dataclass
class Doings:
    """What ``dvc repro`` did: `ran` counts commands; `verified` are frozen stages and `.dvc` files."""

    ran: set[str]
    restored: set[str]
    unchanged: set[str]
    verified: set[str]
    failed: set[str]

    def of(self, address: str) -> str:
        """What was done with one stage; one that needs a failed one is not reached."""
        for what in ("failed", "ran", "restored", "verified", "unchanged"):
            if address in getattr(self, what):
                return what
        return "not reached"


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """What DVC says while the block runs."""
    logger, heard = logging.getLogger("dvc"), _Heard()
    level = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.INFO)
    try:
        yield heard.messages
    finally:
        logger.removeHandler(heard)
        logger.setLevel(level)


def tell(text: str) -> None:
    """Say what is shown of an example that fails."""
    (note if currently_in_test_context() else print)(text)


def repro(root: Path, monkeypatch: pytest.MonkeyPatch) -> Doings:
    """Plain ``dvc repro`` of everything; a stage that fails stops those that need it."""
    from dvc.exceptions import ReproductionError
    from dvc.repo import Repo

    counter = root.parent / f"{root.name}.ran"
    counter.write_text("")
    monkeypatch.setenv("RAN", str(counter))
    with inside(root), Repo(str(root)) as repo, listening() as messages:
        try:
            repo.reproduce(all_pipelines=True, on_error="keep-going")
        except ReproductionError as error:
            failed = set(str(error).partition(": ")[2].replace("'", "").replace(" and", ",").split(", "))
        else:
            failed = set()
    ran = Counter(counter.read_text().split())
    assert max(ran.values(), default=1) == 1, "DVC itself runs a stage once"
    named = {
        kind: {message.split("'")[1] for message in messages if phrase in message}
        for kind, phrase in PHRASES.items()
    }
    tell(f"ran {sorted(ran)}, {named}, failed {failed}")
    tell("\n".join(m for m in messages if "fail" in m or "skipped due" in m))
    return Doings(set(ran), **named, failed=failed)


def lies(plan: Plan, done: Doings, lost: bool) -> list[str]:
    """Where the plan and what was done disagree.

    Where the cache had `lost` an object, another stage may have made the same bytes again in passing,
    and DVC restores what had to run; see the docstring of `statewright.plan`.
    """
    found = []
    for address, decision in plan.decisions.items():
        what = done.of(address)
        allowed = {
            "skip": {"unchanged", "not reached"},
            "must": {"ran", "failed", "not reached", *({"restored"} if lost else ())},
            "may": {"ran", "restored", "verified", "unchanged", "failed", "not reached"},
            "restore": {"restored"},
        }[decision.verdict]
        if address.endswith(".dvc") and decision.verdict == "must":
            allowed = {"verified", "failed"}
        if what not in allowed or (what == "not reached" and not done.failed):
            found.append(f"{address} was planned {decision.verdict}: {what}")
        if currently_in_test_context():
            event(f"{decision.verdict}: {what}")
    return found


def said(plan: Plan) -> str:
    return "; ".join(
        f"{a} {d.verdict} ({', '.join(r.text for r in d.reasons)})" for a, d in plan.decisions.items()
    )


def live(world: World, history: list[list[tuple[str, int, int]]], template: Path) -> Plan:
    """Bring a world through its rounds; in each, the plan must have said what DVC then does.

    Returns
    -------
    Plan
        That of the last round.
    """
    from dvc.repo import Repo

    os.chdir(template)  # not where the world before this one was
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        root = Path(folder).resolve() / "world"
        shutil.copytree(template, root)
        for k, source in enumerate(SOURCES):
            put(root / source, TEXTS[k % 2])
        put(root / "tool.sh", "echo tool\n")
        declare_in(world, root)
        if world.tracked:
            with inside(root), Repo(str(root)) as repo:
                repo.add("tracked")
        lost = False
        for changes in [[], *history]:
            for change in changes:
                edit(world, root, *change)
            tell(f"--- {changes}\n{(root / 'dvc.yaml').read_text()}")
            settled = recall(root)
            plan = open_session(root, []).plan
            assert settled is None or not plan.work, "the short look says nothing to do"
            tell(said(plan))
            done = repro(root, monkeypatch)
            lost |= any(what in ("lose object", "lose cache") for what, *_ in changes)
            assert not lies(plan, done, lost)
        return plan


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty repository, to be copied; DVC's notes on files lie where nothing else does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("site")))
        yield make_repository(tmp_path_factory.mktemp("template") / "empty", {})


CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


SOURCE, LOST = ("source", 0, 1), ("lose output", 0, 0)

Edits = list[tuple[str, int, int]]

EXAMPLES: dict[str, tuple[World, list[Edits], dict[str, str]]] = {
    "a stage with a cause of its own below a run may be remembered": (
        World([Node((0,), 1), Node((4 + 1,), 0)]),
        [
            [("filter", 1, 2)],
            [SOURCE, ("filter", 1, 0)],
            [("source", 0, 0), ("filter", 0, 0), ("filter", 1, 2)],
        ],
        {"n0": "must", "n1": "may"},
    ),
    "of two stages that look alike the second may be restored": (
        World([Node((0,))], twins=True),
        [[("source", 2, 2), ("source", 3, 2)]],
        {"n0": "skip", "twin@w0": "must", "twin@w1": "may"},
    ),
    "unless their inputs differ": (
        World([Node((0,))], twins=True),
        [[("source", 2, 2), ("source", 3, 3)]],
        {"n0": "skip", "twin@w0": "must", "twin@w1": "must"},
    ),
    "without a run cache a lost output is restored as dvc.lock recorded it": (
        World([Node((0,))]),
        [[("lose run cache", 0, 0), LOST]],
        {"n0": "restore"},
    ),
    "but no other run is": (
        World([Node((0,))]),
        [[SOURCE], [("lose run cache", 0, 0), ("source", 0, 0)]],
        {"n0": "must"},
    ),
    "an output merely lost by the cache may come back to it": (
        World([Node((0,)), Node((1,))]),
        [[("lose cache", 0, 0), SOURCE]],
        {"n0": "must", "n1": "may"},
    ),
    "with nothing before it it does not": (
        World([Node((0,)), Node((1,))]),
        [[("lose cache", 0, 0)]],
        {"n0": "must", "n1": "may"},
    ),
    "a frozen stage records what lies there, and its users are judged by that": (
        World([Node((0,), kind="frozen"), Node((5,), 0)]),
        [[("kind", 0, 0)], [("kind", 0, KINDS.index("frozen")), ("edit output", 0, 1)]],
        {"n0": "may", "n1": "must"},
    ),
    "a frozen stage does not wait for the stages before it": (
        World([Node((0,)), Node((5,), kind="plain")]),
        [[("kind", 1, KINDS.index("frozen")), ("filter", 0, 1)]],
        {"n0": "must", "n1": "skip"},
    ),
    "a command and a list of that command are two commands": (
        World([Node((0,), kind="callback"), Node((0,), kind="no inputs")]),
        [[("as list", 1, 0)]],
        {"n0": "must", "n1": "must"},
    ),
    "a parameter that is null is not one that is absent": (
        World([Node((0,), kind="params")]),
        [[("null param", 0, 0)], [("lose param", 0, 0)]],
        {"n0": "must"},
    ),
    "an executable dependency is another dependency to the run cache": (
        World([Node((0,), kind="script")]),
        [[("executable", 0, 1), ("lose lock", 0, 0)]],
        {"n0": "must"},
    ),
    "and found again if it was executable then": (
        World([Node((0,), kind="script")]),
        [[("executable", 0, 1), SOURCE], [("lose lock", 0, 0)]],
        {"n0": "restore"},
    ),
    "a dependency new to a recorded stage is hashed as it will be saved": (
        World([Node((0,))]),
        [[("source", 1, 3)], [("inputs", 0, 1)], [("inputs", 0, 0)], [("inputs", 0, 1)]],
        {"n0": "restore"},
    ),
    "what a restored params file holds is not known": (
        World([Node((0,), kind="made"), Node((5,))]),
        [[("source", 0, 2)], [("source", 0, 0)]],
        {"n0": "restore", "n1": "may"},
    ),
    "a persistent output is never restored": (
        World([Node((0,), kind="persist")]),
        [[LOST]],
        {"n0": "must"},
    ),
    "a stage that always runs is not remembered": (
        World([Node((0,), kind="always"), Node((5,))]),
        [[]],
        {"n0": "must", "n1": "may"},
    ),
    "data under DVC are recorded as they lie": (
        World([Node((3,)), Node((4,))], tracked=True),
        [[("source", 4, 1)]],
        {"tracked.dvc": "must", "n0": "skip", "n1": "must"},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, template: Path) -> None:
    world, history, expected = copy.deepcopy(EXAMPLES[name])
    plan = live(world, history, template)
    assert {address: decision.verdict for address, decision in plan.decisions.items()} == expected


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=CALM, database=None)
@given(world=worlds, history=rounds)
def test_dvc_repro_does_what_the_plan_says(
    world: World, history: list[list[tuple[str, int, int]]], template: Path
) -> None:
    live(world, history, template)


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("STATEWRIGHT_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=CALM,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(world=worlds, history=rounds)
def test_dvc_repro_does_what_the_plan_says_in_many_worlds(
    world: World, history: list[list[tuple[str, int, int]]], template: Path
) -> None:
    live(world, history, template)
