"""Plans of random pipelines after random edits agree with plain ``dvc repro``.

Each example is a small pipeline of shell commands that compute (``cat``, ``head -n 1``, ``cut -c 1``:
unequal inputs often give equal outputs) and a few rounds of edits. Each round makes the plan first.
Then DVC alone reproduces everything, and its action on each stage must agree with the plan. Each
command appends the name of its stage to a file outside the repository.
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

from statewright.planning.plan import Plan
from statewright.session import open_session
from statewright.settled import recall

PHRASES = {
    "restored": "is cached - skipping run",
    "unchanged": "didn't change, skipping",
    "verified": "Verifying ",
}


@dataclass
class Reproduction:
    """Result of ``dvc repro``: stages by action; `verified` are frozen or `.dvc`."""

    ran: set[str]
    restored: set[str]
    unchanged: set[str]
    verified: set[str]
    failed: set[str]

    def of(self, address: str) -> str:
        """Return the action on a stage; a stage after a failed one is not reached."""
        for action in ("failed", "ran", "restored", "verified", "unchanged"):
            if address in getattr(self, action):
                return action
        return "not reached"


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def dvc_messages() -> Iterator[list[str]]:
    """Collect the messages of DVC during the block."""
    logger, collector = logging.getLogger("dvc"), _Collector()
    level = logger.level
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)


def show(text: str) -> None:
    """Note a text that is shown if the example fails."""
    (note if currently_in_test_context() else print)(text)


def repro(root: Path, monkeypatch: pytest.MonkeyPatch) -> Reproduction:
    """Reproduce everything with DVC; a failed stage stops the stages downstream."""
    from dvc.exceptions import ReproductionError
    from dvc.repo import Repo

    counter = root.parent / f"{root.name}.ran"
    counter.write_text("")
    monkeypatch.setenv("RAN", str(counter))
    with inside(root), Repo(str(root)) as repo, dvc_messages() as messages:
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
    show(f"ran {sorted(ran)}, {named}, failed {failed}")
    show("\n".join(m for m in messages if "fail" in m or "skipped due" in m))
    return Reproduction(set(ran), **named, failed=failed)


def disagreements(plan: Plan, done: Reproduction, lost: bool) -> list[str]:
    """Return the stages for which the plan and DVC disagree.

    If the cache had `lost` an object, another stage may have written the same bytes by coincidence.
    DVC then restores a stage that had to run; see the docstring of `statewright.planning.plan`.
    """
    sentences = []
    for address, decision in plan.decisions.items():
        action = done.of(address)
        allowed = {
            "skip": {"unchanged", "not reached"},
            "must": {"ran", "failed", "not reached", *({"restored"} if lost else ())},
            "may": {"ran", "restored", "verified", "unchanged", "failed", "not reached"},
            "restore": {"restored"},
        }[decision.verdict]
        if address.endswith(".dvc") and decision.verdict == "must":
            allowed = {"verified", "failed"}
        if action not in allowed or (action == "not reached" and not done.failed):
            sentences.append(f"{address} was planned {decision.verdict}: {action}")
        if currently_in_test_context():
            event(f"{decision.verdict}: {action}")
    return sentences


def describe(plan: Plan) -> str:
    return "; ".join(
        f"{a} {d.verdict} ({', '.join(r.text for r in d.reasons)})" for a, d in plan.decisions.items()
    )


def run_rounds(world: World, history: list[list[tuple[str, int, int]]], template: Path) -> Plan:
    """Apply the rounds of edits; in each round the plan must agree with DVC.

    Returns
    -------
    Plan
        The plan of the last round.
    """
    from dvc.repo import Repo

    os.chdir(template)  # the folder of the previous example no longer exists
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
            show(f"--- {changes}\n{(root / 'dvc.yaml').read_text()}")
            settled = recall(root)
            plan = open_session(root, []).plan
            assert settled is None or not plan.work, "the cached plan must have no work"
            show(describe(plan))
            done = repro(root, monkeypatch)
            lost |= any(kind in ("lose object", "lose cache") for kind, *_ in changes)
            assert not disagreements(plan, done, lost)
        return plan


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty repository to copy, with a separate folder for DVC's site cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("site")))
        yield make_repository(tmp_path_factory.mktemp("template") / "empty", {})


CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


SOURCE, LOST = ("source", 0, 1), ("lose output", 0, 0)

Edits = list[tuple[str, int, int]]

EXAMPLES: dict[str, tuple[World, list[Edits], dict[str, str]]] = {
    "a changed stage after a run may be in the run cache": (
        World([Node((0,), 1), Node((4 + 1,), 0)]),
        [
            [("filter", 1, 2)],
            [SOURCE, ("filter", 1, 0)],
            [("source", 0, 0), ("filter", 0, 0), ("filter", 1, 2)],
        ],
        {"n0": "must", "n1": "may"},
    ),
    "the second of two stages with equal cache keys may be restored": (
        World([Node((0,))], twins=True),
        [[("source", 2, 2), ("source", 3, 2)]],
        {"n0": "skip", "twin@w0": "must", "twin@w1": "may"},
    ),
    "two stages with different inputs both run": (
        World([Node((0,))], twins=True),
        [[("source", 2, 2), ("source", 3, 3)]],
        {"n0": "skip", "twin@w0": "must", "twin@w1": "must"},
    ),
    "without a run cache a lost output is restored as dvc.lock recorded it": (
        World([Node((0,))]),
        [[("lose run cache", 0, 0), LOST]],
        {"n0": "restore"},
    ),
    "without a run cache no other run is restored": (
        World([Node((0,))]),
        [[SOURCE], [("lose run cache", 0, 0), ("source", 0, 0)]],
        {"n0": "must"},
    ),
    "an output lost from the cache may be written again": (
        World([Node((0,)), Node((1,))]),
        [[("lose cache", 0, 0), SOURCE]],
        {"n0": "must", "n1": "may"},
    ),
    "the first stage cannot be restored from a lost cache": (
        World([Node((0,)), Node((1,))]),
        [[("lose cache", 0, 0)]],
        {"n0": "must", "n1": "may"},
    ),
    "a frozen stage records its current files, and later stages read them": (
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
    "a null param is not an absent param": (
        World([Node((0,), kind="params")]),
        [[("null param", 0, 0)], [("lose param", 0, 0)]],
        {"n0": "must"},
    ),
    "an executable dependency is another dependency to the run cache": (
        World([Node((0,), kind="script")]),
        [[("executable", 0, 1), ("lose lock", 0, 0)]],
        {"n0": "must"},
    ),
    "an executable dependency is found in the run cache if it was executable then": (
        World([Node((0,), kind="script")]),
        [[("executable", 0, 1), SOURCE], [("lose lock", 0, 0)]],
        {"n0": "restore"},
    ),
    "a new dependency of a recorded stage is hashed as DVC saves it": (
        World([Node((0,))]),
        [[("source", 1, 3)], [("inputs", 0, 1)], [("inputs", 0, 0)], [("inputs", 0, 1)]],
        {"n0": "restore"},
    ),
    "the values in a restored params file are unknown": (
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
    "data under DVC are recorded in their current state": (
        World([Node((3,)), Node((4,))], tracked=True),
        [[("source", 4, 1)]],
        {"tracked.dvc": "may", "n0": "skip", "n1": "must"},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, template: Path) -> None:
    world, history, expected = copy.deepcopy(EXAMPLES[name])
    plan = run_rounds(world, history, template)
    assert {address: decision.verdict for address, decision in plan.decisions.items()} == expected


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=CALM, database=None)
@given(world=worlds, history=rounds)
def test_dvc_repro_agrees_with_the_plan(
    world: World, history: list[list[tuple[str, int, int]]], template: Path
) -> None:
    run_rounds(world, history, template)


# Each run draws other examples: few of them in every run find as much as many in some.
@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("STATEWRIGHT_EXAMPLES", "80")),
    deadline=None,
    suppress_health_check=CALM,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(world=worlds, history=rounds)
def test_dvc_repro_agrees_with_the_plan_in_many_simulations(
    world: World, history: list[list[tuple[str, int, int]]], template: Path
) -> None:
    run_rounds(world, history, template)
