"""`decide` on hand-written workflows and states, and against a simulation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.planning.plan import Decision, Plan, decide
from statewright.planning.reasons import Reason, differences, show
from statewright.state import StageState, State
from statewright.workflow import Output, Stage, Workflow, digest, overlaps

STAGE = Stage(
    "clean",
    ("python clean.py",),
    deps=("raw.csv",),
    params={"params.yaml": ("clean",)},
    outs=(Output("clean.csv"),),
)
PARAMS = {("params.yaml", "clean"): {"width": 3, "deep": {"rate": 0.1, "kind": "a"}}}
UP_TO_DATE = StageState(
    recorded=True,
    cmd_was=STAGE.cmd,
    deps_was={"raw.csv": "a" * 32},
    deps_now={"raw.csv": "a" * 32},
    params_was=PARAMS,
    params_now=PARAMS,
    outs_was={"clean.csv": "b" * 32},
    outs={"clean.csv": "ok"},
)


def judge(stage: Stage, seen: StageState, **more: Any) -> Decision:
    """Return the decision on a workflow of one stage."""
    plan = decide(Workflow({stage.address: stage}, {stage.address: ()}), State({stage.address: seen}), **more)
    return plan.decisions[stage.address]


def params(value: Any) -> dict[tuple[str, str], Any]:
    return {("params.yaml", "clean"): value}


def test_a_stage_that_is_up_to_date_is_skipped() -> None:
    assert judge(STAGE, UP_TO_DATE) == Decision("clean", "skip")


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], list[Reason]]] = [
    ("never run", {}, {"recorded": False}, [Reason("new", "clean")]),
    (
        "another command",
        {"cmd": ("python clean.py --fast",)},
        {},
        [Reason("command", "clean", "python clean.py", "python clean.py --fast")],
    ),
    (
        "a dependency with other bytes",
        {},
        {"deps_now": {"raw.csv": "c" * 32}},
        [Reason("dependency", "raw.csv", "a" * 32, "c" * 32)],
    ),
    (
        "a dependency that was not declared before",
        {"deps": ("raw.csv", "more.csv")},
        {"deps_now": {"raw.csv": "a" * 32, "more.csv": "d" * 32}},
        [Reason("dependency", "more.csv", None, "d" * 32)],
    ),
    (
        "a dependency that is gone",
        {},
        {"deps_now": {"raw.csv": None}},
        [Reason("missing dependency", "raw.csv")],
    ),
    (
        "a parameter deep inside a block",
        {},
        {"params_now": params({"width": 3, "deep": {"rate": 0.2, "kind": "a"}})},
        [Reason("param", "clean.deep.rate", 0.1, 0.2)],
    ),
    (
        "a parameter that came and one that went",
        {},
        {"params_now": params({"deep": {"rate": 0.1, "kind": "a"}, "depth": 2})},
        [Reason("param", "clean.width", 3, None), Reason("param", "clean.depth", None, 2)],
    ),
    (
        "an output that is gone",
        {},
        {"outs": {"clean.csv": "deleted"}},
        [Reason("output", "clean.csv", None, "missing")],
    ),
    (
        "an output that was edited",
        {},
        {"outs": {"clean.csv": "modified"}},
        [Reason("output", "clean.csv", None, "modified")],
    ),
    ("declared to run every time", {"always_changed": True}, {}, [Reason("always", "clean")]),
]


@pytest.mark.parametrize(("stage", "seen", "reasons"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_change_is_the_reason_to_run(
    stage: dict[str, Any], seen: dict[str, Any], reasons: list[Reason]
) -> None:
    decision = judge(replace(STAGE, **stage), replace(UP_TO_DATE, **seen))
    assert decision.verdict == "must"
    assert list(decision.reasons) == reasons


def test_several_changes_give_several_reasons() -> None:
    seen = replace(UP_TO_DATE, deps_now={"raw.csv": "c" * 32}, outs={"clean.csv": "deleted"})
    kinds = [reason.kind for reason in judge(replace(STAGE, cmd=("other",)), seen).reasons]
    assert kinds == ["command", "dependency", "output"]


def test_force_runs_an_unchanged_stage_and_restores_nothing() -> None:
    state = State({"clean": UP_TO_DATE}, recall=lambda *_: {"clean.csv": "b" * 32})
    plan = decide(Workflow({"clean": STAGE}, {"clean": ()}), state, force=["clean"])
    assert plan.decisions["clean"].verdict == "must"
    assert [reason.kind for reason in plan.decisions["clean"].reasons] == ["forced"]


def test_a_frozen_stage_is_judged_by_its_outputs_only() -> None:
    frozen = replace(STAGE, frozen=True, plain=False, always_changed=True)
    changed = replace(UP_TO_DATE, deps_now={"raw.csv": "c" * 32}, params_now=params({"width": 9}))
    assert judge(frozen, changed).verdict == "skip"
    # DVC then records the files on disk, or reports that they are missing; it runs no command.
    assert judge(frozen, replace(changed, outs={"clean.csv": "deleted"})).verdict == "may"


# A chain first -> second -> third, to see how verdicts propagate.


def chain(**seen: StageState) -> tuple[Workflow, dict[str, StageState]]:
    stages, upstream, state = {}, {}, {}
    for before, name in [("zero", "first"), ("first", "second"), ("second", "third")]:
        stages[name] = Stage(name, (f"make {name}",), deps=(f"{before}.csv",), outs=(Output(f"{name}.csv"),))
        upstream[name] = (before,) if before != "zero" else ()
        state[name] = seen.get(name) or StageState(
            recorded=True,
            cmd_was=(f"make {name}",),
            deps_was={f"{before}.csv": f"{before} 1"},
            deps_now={f"{before}.csv": f"{before} 1"},
            outs_was={f"{name}.csv": f"{name} 1"},
            outs={f"{name}.csv": "ok"},
        )
    return Workflow(stages, upstream), state


def changed_input(name: str, before: str) -> StageState:
    _, state = chain()
    return replace(state[name], deps_now={f"{before}.csv": f"{before} 2"})


def verdicts(plan: Plan) -> dict[str, str]:
    return {address: decision.verdict for address, decision in plan.decisions.items()}


def test_the_stages_after_a_run_may_run() -> None:
    workflow, seen = chain(first=changed_input("first", "zero"))
    plan = decide(workflow, State(seen))
    assert verdicts(plan) == {"first": "must", "second": "may", "third": "may"}
    assert plan.decisions["third"].reasons == (Reason("upstream", "second"),)
    assert plan.work == ("first", "second", "third")


def test_a_changed_stage_after_a_run_must_run_and_gives_both_reasons() -> None:
    _, seen = chain()
    second = replace(seen["second"], cmd_was=("make it otherwise",))
    workflow, seen = chain(first=changed_input("first", "zero"), second=second)
    decision = decide(workflow, State(seen)).decisions["second"]
    assert decision.verdict == "must"
    assert [reason.kind for reason in decision.reasons] == ["command", "upstream"]


def test_after_a_restored_stage_the_hashes_of_the_run_cache_count() -> None:
    workflow, seen = chain(first=changed_input("first", "zero"))
    asked = []

    def recall(address: str, deps: Mapping[str, Any], params: Mapping[Any, Any]) -> dict[str, str] | None:
        asked.append((address, dict(deps)))
        held = {
            ("first", "zero 2"): {"first.csv": "first 2"},
            ("second", "first 2"): {"second.csv": "second 1"},
        }
        return held.get((address, *deps.values()))  # type: ignore[arg-type]

    plan = decide(workflow, State(seen, recall=recall))
    # second is restored with the bytes that third has already read
    assert verdicts(plan) == {"first": "restore", "second": "restore", "third": "skip"}
    assert plan.decisions["second"].reasons == (Reason("dependency", "first.csv", "first 1", "first 2"),)
    assert asked == [("first", {"zero.csv": "zero 2"}), ("second", {"first.csv": "first 2"})]


def test_a_stage_that_has_not_seen_the_restored_bytes_must_run() -> None:
    workflow, seen = chain(first=changed_input("first", "zero"))

    def recall(address: str, *_: Any) -> dict[str, str] | None:
        return {"first.csv": "first 2"} if address == "first" else None

    plan = decide(workflow, State(seen, recall=recall))
    assert verdicts(plan) == {"first": "restore", "second": "must", "third": "may"}


def test_nothing_is_restored_while_an_input_is_unknown() -> None:
    _, seen = chain()
    second = replace(seen["second"], cmd_was=("make it otherwise",))
    workflow, seen = chain(first=changed_input("first", "zero"), second=second)

    def recall(address: str, *_: Any) -> dict[str, str] | None:
        assert address == "first", "the inputs of the others are not known yet"
        return None

    assert verdicts(decide(workflow, State(seen, recall=recall)))["second"] == "must"


def test_a_stage_that_reads_a_file_of_an_output_folder_waits_for_the_folder() -> None:
    maker = Stage("maker", ("make",), deps=("raw",), outs=(Output("folder"),))
    user = Stage("user", ("use",), deps=("folder/part.csv",), outs=(Output("result"),))
    workflow = Workflow({"maker": maker, "user": user}, {"maker": (), "user": ("maker",)})
    settled = StageState(True, ("use",), {"folder/part.csv": "1"}, {"folder/part.csv": "1"})
    plan = decide(workflow, State({"maker": StageState(recorded=False), "user": settled}))
    assert verdicts(plan) == {"maker": "must", "user": "may"}


def test_one_file_of_a_restored_folder_is_not_known_beforehand() -> None:
    maker = Stage("maker", ("make",), deps=("raw",), outs=(Output("folder"),))
    user = Stage("user", ("use",), deps=("folder/part.csv",), outs=(Output("result"),))
    workflow = Workflow({"maker": maker, "user": user}, {"maker": (), "user": ("maker",)})
    seen = {
        "maker": StageState(recorded=False, deps_now={"raw": "1"}),
        "user": StageState(True, ("use",), {"folder/part.csv": "1"}, {"folder/part.csv": None}),
    }

    def recall(address: str, *_: Any) -> dict[str, str] | None:
        return {"folder": "2.dir"} if address == "maker" else None

    plan = decide(workflow, State(seen, recall=recall))
    assert verdicts(plan) == {"maker": "restore", "user": "may"}


def test_targets_are_planned_with_their_ancestors_only() -> None:
    workflow, seen = chain(first=changed_input("first", "zero"))
    assert verdicts(decide(workflow, State(seen), ["second"])) == {"first": "must", "second": "may"}


def test_only_stages_that_may_run_have_predicted_seconds() -> None:
    workflow, seen = chain(second=changed_input("second", "first"))
    seconds = {"first": (1.0, 2.0), "second": (3.0, 4.0)}
    plan = decide(workflow, State(seen), seconds=seconds)
    assert {a: d.seconds for a, d in plan.decisions.items()} == {
        "first": None,
        "second": (3.0, 4.0),
        "third": None,
    }


# Code fingerprints: the output of the code stage is known before it runs.


def with_code(now: Mapping[str, Any]) -> Plan:
    code = Stage("code", ("fingerprint",), deps=("tasks",), outs=(Output("code.json"),))
    users = {
        name: Stage(name, (name,), params={"code.json": (name,)}, outs=(Output(f"{name}.csv"),))
        for name in ("one", "two")
    }
    was: dict[str, Any] = {"one": {"m:one": "1", "m:helper": "1"}, "two": {"m:two": "1"}}
    seen = {
        name: StageState(
            True,
            (name,),
            params_was={("code.json", name): was[name]},
            params_now={("code.json", name): was[name]},
            outs={f"{name}.csv": "ok"},
        )
        for name in users
    }
    writes = StageState(
        True,
        ("fingerprint",),
        deps_was={"tasks": "1"},
        deps_now={"tasks": "2"},
        outs={"code.json": "ok"},
        predicted={"code.json": now},
        predicted_hashes={"code.json": "x"},
    )
    stages = {"code": code, **users}
    workflow = Workflow(stages, {"code": (), "one": ("code",), "two": ("code",)})
    return decide(workflow, State({"code": writes, **seen}))


def test_a_comment_in_the_code_runs_the_fingerprint_only() -> None:
    plan = with_code({"one": {"m:one": "1", "m:helper": "1"}, "two": {"m:two": "1"}})
    assert verdicts(plan) == {"code": "must", "one": "skip", "two": "skip"}


def test_a_changed_helper_runs_its_users_and_is_named() -> None:
    plan = with_code({"one": {"m:one": "1", "m:helper": "2"}, "two": {"m:two": "1"}})
    assert verdicts(plan) == {"code": "must", "one": "must", "two": "skip"}
    assert plan.decisions["one"].reasons == (Reason("code", "m:helper"),)


def test_a_helper_that_was_added_or_removed_is_named() -> None:
    plan = with_code({"one": {"m:one": "1"}, "two": {"m:two": "1", "m:new": "1"}})
    assert plan.decisions["one"].reasons == (Reason("code", "m:helper"),)
    assert plan.decisions["two"].reasons == (Reason("code", "m:new"),)


def test_a_plan_is_plain_json() -> None:
    workflow, seen = chain(first=changed_input("first", "zero"))
    values = json.loads(json.dumps(decide(workflow, State(seen)).as_dict()))
    assert values["stages"]["first"] == {
        "verdict": "must",
        "reasons": [
            {
                "kind": "dependency",
                "subject": "zero.csv",
                "was": "zero 1",
                "now": "zero 2",
                "text": "zero.csv changed",
            }
        ],
        "seconds": None,
    }


def test_a_plan_with_unusual_params_is_valid_json() -> None:
    odd = {"nan": float("nan"), "most": [float("inf")], "day": date(2026, 1, 2), 3: None, "t": (1, 2.5)}
    plan = decide(
        Workflow({"clean": STAGE}, {"clean": ()}),
        State({"clean": replace(UP_TO_DATE, params_now=params(odd))}),
    )
    reasons = json.loads(json.dumps(plan.as_dict(), allow_nan=False))["stages"]["clean"]["reasons"]
    assert {r["subject"]: r["now"] for r in reasons} == {
        "clean.width": None,
        "clean.deep": None,
        "clean.nan": "nan",
        "clean.most": ["inf"],
        "clean.day": "2026-01-02",
        "clean.3": "null",
        "clean.t": [1, 2.5],
    }


def test_changed_code_is_named_as_file_and_definition() -> None:
    assert Reason("code", "tasks/song:train").text == "tasks/song.py:train changed"


def test_a_stage_after_a_run_may_be_restored_if_the_run_cache_may_hold_it() -> None:
    _, seen = chain()
    workflow, seen = chain(
        first=changed_input("first", "zero"), second=replace(seen["second"], cmd_was=("make it otherwise",))
    )
    asked = []

    def may_recall(address: str, deps: Mapping[str, Any], *_: Any) -> bool:
        asked.append((address, dict(deps)))
        return True

    decision = decide(workflow, State(seen, may_recall=may_recall)).decisions["second"]
    assert (decision.verdict, [r.kind for r in decision.reasons]) == ("may", ["command", "upstream"])
    assert asked == [("second", {})]


def plan_twins(first: str, second: str) -> dict[str, str]:
    """Plan two new stages with equal commands and names in different folders."""
    stages = {
        name: Stage(name, ("make",), deps=(f"{name}/in",), outs=(Output(f"{name}/out"),), wdir=name)
        for name in ("a", "b")
    }
    seen = {
        name: StageState(False, deps_now={f"{name}/in": value}, outs={f"{name}/out": "deleted"})
        for name, value in (("a", first), ("b", second))
    }
    return verdicts(decide(Workflow(stages, {"a": (), "b": ()}), State(seen)))


def test_the_second_of_two_stages_with_equal_cache_keys_may_be_restored() -> None:
    assert plan_twins("1", "1") == {"a": "must", "b": "may"}
    assert plan_twins("1", "2") == {"a": "must", "b": "must"}


def test_an_output_lost_from_the_cache_may_be_rewritten_by_another_stage() -> None:
    lost = {"outs": {"third.csv": "not in cache"}, "outs_only_uncached": frozenset({"third.csv"})}
    _, seen = chain()
    workflow, alone = chain(third=replace(seen["third"], **lost))
    assert verdicts(decide(workflow, State(alone)))["third"] == "must"
    busy = {**alone, "first": replace(alone["first"], outs={"first.csv": "deleted"})}
    stages = {"first": workflow.stages["first"], "third": workflow.stages["third"]}
    plan = decide(Workflow(stages, {"first": (), "third": ()}), State(busy))
    assert verdicts(plan) == {"first": "must", "third": "may"}


def test_a_tuple_is_recorded_as_a_list_on_the_top_level_only() -> None:
    def with_value(was: Any, now: Any) -> str:
        return judge(STAGE, replace(UP_TO_DATE, params_was=params(was), params_now=params(now))).verdict

    assert with_value([1, 2], (1, 2)) == "skip"
    assert with_value({"a": [1, 2]}, {"a": (1, 2)}) == "must"  # as DVC, each time


# A simulation: each stage writes a known function of its inputs.


@dataclass
class World:
    """Files as values: stage n writes the sum mod 3 of `parents[n]` and a param."""

    parents: Sequence[Sequence[int]]
    source: int
    settings: list[int]
    kept: dict[int, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)
    cache: dict[tuple[int, tuple[int, ...]], int] = field(default_factory=dict)

    def inputs(self, n: int) -> tuple[int, ...]:
        return (*(self.files[p] for p in self.parents[n]), self.source, self.settings[n])

    def repro(self) -> list[int]:
        """Update all files in order and return the computed, not restored, stages."""
        computed = []
        for n in range(len(self.parents)):
            key = self.inputs(n)
            if self.kept.get(n, ((), -1)) == (key, self.files.get(n, -1)):
                continue
            if (n, key) not in self.cache:
                self.cache[n, key] = sum(key) % 3
                computed.append(n)
            self.files[n] = self.cache[n, key]
            self.kept[n] = (key, self.files[n])
        return computed

    def declared(self) -> Workflow:
        stages = {
            str(n): Stage(
                str(n),
                ("sum",),
                deps=(*(f"{p}.out" for p in parents), "source"),
                params={"p": (str(n),)},
                outs=(Output(f"{n}.out"),),
            )
            for n, parents in enumerate(self.parents)
        }
        return Workflow(stages, {str(n): tuple(map(str, p)) for n, p in enumerate(self.parents)})

    def observed(self) -> State:
        def recall(address: str, deps: Mapping[str, Any], params: Mapping[Any, Any]) -> Any:
            n = int(address)
            key = (
                *(int(deps[f"{p}.out"]) for p in self.parents[n]),
                int(deps["source"]),
                params["p", address],
            )
            held = self.cache.get((n, key))
            return None if held is None else {f"{n}.out": str(held)}

        return State({str(n): self.observed_stage(n) for n in range(len(self.parents))}, recall=recall)

    def observed_stage(self, n: int) -> StageState:
        names = [*(f"{p}.out" for p in self.parents[n]), "source"]
        *was, param_was = self.kept[n][0]
        here = {f"{m}.out": str(value) for m, value in self.files.items()} | {"source": str(self.source)}
        return StageState(
            True,
            ("sum",),
            deps_was=dict(zip(names, map(str, was), strict=True)),
            deps_now={name: here.get(name) for name in names},
            params_was={("p", str(n)): param_was},
            params_now={("p", str(n)): self.settings[n]},
            outs_was={f"{n}.out": str(self.kept[n][1])},
            outs={f"{n}.out": "ok" if n in self.files else "deleted"},
        )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    parents = [draw(st.lists(st.integers(0, n - 1), unique=True, max_size=3)) if n else [] for n in range(6)]
    return World(parents, draw(st.integers(0, 2)), draw(st.lists(st.integers(0, 2), min_size=6, max_size=6)))


@settings(max_examples=200, deadline=None)
@given(
    worlds(),
    st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 2)), max_size=4),
    st.sets(st.integers(0, 5), max_size=2),
)
def test_the_plan_agrees_with_the_run(world: World, changes: list[tuple[int, int]], lost: set[int]) -> None:
    world.repro()
    for where, value in changes:
        if where < 0:
            world.source = value
        else:
            world.settings[where] = value
            world.repro()
    world.source = (world.source + len(changes)) % 3
    for n in lost:
        del world.files[n]
        world.cache = {key: value for key, value in world.cache.items() if key[0] != n}
    plan = decide(world.declared(), world.observed())
    before = dict(world.kept)
    had = set(world.files)
    computed = set(world.repro())
    for n in range(6):
        verdict = plan.decisions[str(n)].verdict
        if verdict == "skip":
            assert n not in computed and world.kept[n] == before[n] and n in had
        elif verdict == "must":
            assert n in computed or any(r.kind == "upstream" for r in plan.decisions[str(n)].reasons)
        elif verdict == "restore":
            assert n not in computed and (world.kept[n] != before[n] or n not in had)
        assert n not in computed or verdict in ("must", "may")
    assert set(verdicts(decide(world.declared(), world.observed())).values()) == {"skip"}


# The values in a plan.


def test_downstream_and_ancestors() -> None:
    workflow, _ = chain()
    assert workflow.downstream("first") == {"second", "third"}
    assert workflow.downstream("third") == set()
    assert workflow.ancestors(["second"]) == {"first", "second"}


def test_the_digest_of_a_workflow_ignores_meta_and_desc_only() -> None:
    workflow, _ = chain()
    first = workflow.stages["first"]

    def digest_with(**changes: Any) -> str:
        return replace(workflow, stages={**workflow.stages, "first": replace(first, **changes)}).digest

    assert digest_with(meta={"cpu": 4}, desc="else") == workflow.digest
    assert digest_with(cmd=("else",)) != workflow.digest
    assert replace(workflow, params={"p": {"a": 1}}).digest != workflow.digest


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1}) != digest({"a": 1, "b": [2, 1]})


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("a/b", "a/b", True), ("a", "a/b", True), ("a/b/c", "a", True), ("a/b", "a/bc", False)],
)
def test_overlap_of_paths(first: str, second: str, expected: bool) -> None:
    assert overlaps(first, second) is expected


def test_differences_are_leaves() -> None:
    assert list(differences("k", {"a": {"b": 1, "c": [1]}}, {"a": {"b": 1, "c": [2]}, "d": 4})) == [
        ("k.a.c", [1], [2]),
        ("k.d", None, 4),
    ]


def test_a_key_that_is_null_is_not_a_key_that_is_absent() -> None:
    assert list(differences("k", {}, {"a": None})) == [("k.a", None, "null")]
    assert list(differences("k", {"a": None}, {"a": None})) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "(absent)"), ("0123456789abcdef" * 2, "0123"), ("ab" * 16 + ".dir", "abab"), (0.5, "0.5")],
)
def test_values_as_shown(value: Any, text: str) -> None:
    assert show(value) == text


def test_long_values_are_cut() -> None:
    assert len(show("x" * 100)) == 60
