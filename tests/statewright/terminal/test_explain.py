"""Chain of causes of one stage, as a tree."""

from __future__ import annotations

import io

from rich.console import Console

from statewright.planning.plan import Decision, Plan
from statewright.planning.reasons import Reason
from statewright.terminal.explain import Cause, causes, print_causes
from statewright.workflow import Output, Stage, Workflow

# a -> b -> d, a -> c -> d; r is restored and feeds b
WORKFLOW = Workflow(
    {
        name: Stage(name, (name,), deps=deps, outs=(Output(f"{name}.csv"),), frozen=name == "f")
        for name, deps in {
            "r": ("raw",),
            "a": ("source",),
            "b": ("a.csv", "r.csv"),
            "c": ("a.csv",),
            "d": ("b.csv", "c.csv"),
            "f": (),
            "s": (),
        }.items()
    },
    {"r": (), "a": (), "b": ("a", "r"), "c": ("a",), "d": ("b", "c"), "f": (), "s": ()},
)
CHANGED = Reason("dependency", "source", "a" * 32, "b" * 32)
FROM_R = Reason("dependency", "r.csv", "c" * 32, "d" * 32)
PLAN = Plan(
    {
        "r": Decision("r", "restore", (Reason("param", "p.x", 1, 2),)),
        "a": Decision("a", "must", (CHANGED,), (1.0, 2.0)),
        "b": Decision("b", "must", (FROM_R, Reason("upstream", "a"))),
        "c": Decision("c", "may", (Reason("upstream", "a"),)),
        "d": Decision("d", "may", (Reason("upstream", "b"), Reason("upstream", "c"))),
        "f": Decision("f", "may", (Reason("output", "f.csv", None, "modified"),)),
        "s": Decision("s", "skip"),
    }
)


def tree_of(address: str) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    print_causes(WORKFLOW, PLAN, address, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_reason_names_the_earlier_stages_that_lead_to_it() -> None:
    assert causes(WORKFLOW, PLAN, "a") == (Cause(CHANGED),)
    assert causes(WORKFLOW, PLAN, "b") == (Cause(FROM_R, ("r",)), Cause(Reason("upstream", "a"), ("a",)))


def test_the_tree_ends_at_the_first_causes_and_expands_a_stage_once() -> None:
    assert tree_of("d") == [
        "d may: earlier stages decide whether its command runs",
        "├── after b must",
        "│   ├── r.csv changed",
        "│   │   └── after r restore",
        "│   │       └── p.x 1 -> 2",
        "│   └── after a must 1.0 s to 2.0 s",
        "│       └── source changed",
        "└── after c may",
        "    └── after a must 1.0 s to 2.0 s (see above)",
    ]


def test_a_stage_that_is_up_to_date_and_a_frozen_stage() -> None:
    assert tree_of("s") == ["s skip: it is up to date"]
    assert tree_of("f") == [
        "f may: it is frozen: its current files are recorded, no command runs",
        "└── output f.csv was changed",
    ]
