"""The text of a plan: golden tests, widths, odd names."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.rule import Rule
from rich.tree import Tree
from toys import commit, make_repository, run_here, write

import statewright
from statewright.planning.plan import Decision, Plan
from statewright.planning.reasons import Reason
from statewright.scheduling.prediction import schedule_plan
from statewright.session import open_session
from statewright.terminal.plan_table import closing_sentence, print_plan, print_short_plan
from statewright.terminal.words import terminal
from statewright.workflow import Stage, Workflow

LR = Reason("param", "train.lr", 0.1, 0.05, file="params.yaml")
PLAN = Plan(
    {
        "one": Decision("one", "must", (LR, Reason("code", "tasks/song:fit")), (2.0, 70.0)),
        "two": Decision("two", "may", (Reason("upstream", "one"),)),
        "three": Decision("three", "restore", (Reason("output", "x", None, "missing"),)),
        "four": Decision("four", "skip"),
    }
)


def shown(plan: Plan, *, width: int = 200, short: bool = False, verbose: bool = False) -> list[str]:
    """Return the printed lines of a plan, with the durations of two cores."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    stages = {name: Stage(name, (name,)) for name in plan.decisions}
    workflow = Workflow(stages, dict.fromkeys(plan.decisions, ()))
    prediction = schedule_plan(workflow, plan, {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0})
    if short:
        print_short_plan(plan, console, prediction)
    else:
        print_plan(plan, console, prediction, 2, verbose=verbose)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_line_has_verdict_time_and_first_cause() -> None:
    assert shown(PLAN) == [
        "one    must     2-70 s  params.yaml: train.lr 0.1 -> 0.05 (and 1 more)",
        "two    may              after one",
        "three  restore          output x is missing",
        "four   skip",
        "1 stage will run, 1 may run, 1 will be restored and 1 is up to date: about 2-70 s (1 assumed)",
    ]


def test_a_verbose_plan_has_all_causes_and_the_critical_path() -> None:
    lines = shown(PLAN, verbose=True)
    assert lines[0].endswith("params.yaml: train.lr 0.1 -> 0.05; tasks/song.py:fit changed")
    assert lines[-1] == "critical path on 2 cores: one > three"


def test_a_run_names_own_causes_only() -> None:
    assert shown(PLAN, short=True) == [
        "one    must     2-70 s  params.yaml: train.lr 0.1 -> 0.05 (and 1 more)",
        "three  restore          output x is missing",
        shown(PLAN)[-1],
    ]


def test_one_cause_is_in_the_closing_sentence() -> None:
    plan = Plan({name: PLAN.decisions[name] for name in ("one", "two")})
    assert closing_sentence(plan) == (
        "1 stage will run and 1 may run: params.yaml: train.lr 0.1 -> 0.05 (and 1 more)"
    )


@pytest.mark.parametrize(
    "reason",
    [Reason("new", "s"), Reason("output", "o", None, "missing"), Reason("output", "o", None, "not in cache")],
)
def test_a_first_run_is_one_sentence(reason: Reason) -> None:
    plan = Plan({f"s{n}": Decision(f"s{n}", "must", (reason,), (12.0, 18.0)) for n in range(30)})
    assert shown(plan, short=True) == ["30 stages will run: nothing has been run here before, about 3-4 min"]
    assert shown(plan)[-1] == shown(plan, short=True)[0]
    assert len(shown(plan)) == 31


def test_many_stages_up_to_date_are_one_line() -> None:
    done = {f"s{n}": Decision(f"s{n}", "skip") for n in range(22)}
    plan = Plan({**done, "last": Decision("last", "must", (LR,))})
    assert shown(plan) == [
        "last  must  params.yaml: train.lr 0.1 -> 0.05",
        "22 stages are up to date",
        "1 stage will run and 22 are up to date: params.yaml: train.lr 0.1 -> 0.05",
    ]
    assert len(shown(plan, verbose=True)) == 24
    assert shown(Plan(done)) == ["nothing to do: 22 stages are up to date"]


def test_many_equal_cells_of_a_matrix_are_one_line() -> None:
    new = [Decision(f"fit@{k}", "must", (Reason("new", f"fit@{k}"),), (2.0, 3.0)) for k in range(12)]
    other = [Decision("fit@odd", "must", (LR,)), Decision("fit", "must", (LR,))]
    plan = Plan({decision.address: decision for decision in [*new[:5], *other, *new[5:]]})
    names = [line.partition("  ")[0].strip() for line in shown(plan)[:-1]]
    assert names == ["fit@... (12 cells)", "fit@odd", "fit"]
    assert sum("fit@" in line for line in shown(plan, verbose=True)) >= 13
    few = Plan({decision.address: decision for decision in new[:8]})
    assert sum("fit@" in line for line in shown(few)) == 8


def test_a_run_prints_at_most_ten_lines() -> None:
    plan = Plan(
        {f"s{n}": Decision(f"s{n}", "must", (Reason("dependency", f"d{n}", "a", "b"),)) for n in range(40)}
    )
    lines = shown(plan, short=True)
    assert lines[0] == "s0  must  d0 changed"
    assert lines[8:] == ["and 32 other stages (`statewright plan` lists all)", "40 stages will run"]


@given(
    st.dictionaries(st.text(min_size=1, max_size=200), st.text(max_size=300), min_size=1, max_size=8),
    st.integers(30, 300),
    st.booleans(),
)
def test_no_line_is_wider_than_the_terminal_or_100_columns(
    causes: dict[str, str], width: int, short: bool
) -> None:
    plan = Plan(
        {
            name: Decision(name, "must", (Reason("dependency", subject, "a", "b"),), (1.0, 100.0))
            for name, subject in causes.items()
        }
    )
    for line in shown(plan, width=width, short=short):
        assert cell_len(line) <= min(width, 100)


def test_names_are_printed_literally() -> None:
    plan = Plan(
        {
            "each@[red]:key:": Decision(
                "each@[red]:key:", "must", (Reason("dependency", "[b]:train:", "a", "b"),)
            )
        }
    )
    assert shown(plan)[0] == "each@[red]:key:  must  [b]:train: changed"


def printed(root: Path) -> list[str]:
    """Return the printed plan of a repository."""
    return shown(open_session(root, []).plan)


def test_the_plan_of_a_small_repository(tmp_path: Path) -> None:
    """Follow a repository from its first run to changes of all kinds."""
    root = make_repository(
        tmp_path,
        {
            "params.yaml": "train: {lr: 0.1, epochs: 3}\n",
            "data.csv": "1\n",
            "dvc.yaml": """
                stages:
                  prep: {cmd: cp data.csv prep.csv, deps: [data.csv], outs: [prep.csv]}
                  train: {cmd: cp prep.csv model.pkl, deps: [prep.csv], params: [train], outs: [model.pkl]}
                  score: {cmd: cp model.pkl score.txt, deps: [model.pkl], outs: [score.txt]}
                """,
        },
    )
    assert printed(root) == [
        "prep   must  never run here",
        "train  must  never run here",
        "score  must  never run here",
        "3 stages will run: nothing has been run here before",
    ]
    run_here(root)
    commit(root)
    assert printed(root)[-1] == "nothing to do: 3 stages are up to date"
    write(root, {"params.yaml": "train: {lr: 0.05, epochs: 3, new: 1}\n"})
    assert printed(root) == [
        "prep   skip",
        "train  must  params.yaml: train.lr 0.1 -> 0.05 (and 1 more)",
        "score  may   after train",
        "1 stage will run, 1 may run and 1 is up to date: params.yaml: train.lr 0.1 -> 0.05 (and 1 more)",
    ]
    write(root, {"params.yaml": "train: {lr: 0.1, epochs: 3}\n", "data.csv": "2\n"})
    (root / "score.txt").unlink()
    assert printed(root) == [
        "prep   must  data.csv changed",
        "train  may   after prep",
        "score  may   output score.txt is missing",
        "1 stage will run and 2 may run",
    ]
    write(root, {"data.csv": "1\n"})
    declaration = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(declaration.replace("cp data.csv prep.csv", "cat data.csv > prep.csv"))
    assert printed(root)[0] == "prep   must  command changed"
    (root / "data.csv").unlink()
    assert printed(root)[0] == "prep   must  data.csv is missing and no stage writes it (and 1 more)"


def test_every_console_prints_names_literally() -> None:
    """Make every console by `terminal`; others read `[red]` and `:key:` as markup."""
    package = Path(statewright.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    assert not [text for text in texts if re.search(r"\bConsole\(", text)]
    console = terminal()
    console.file = io.StringIO()
    console.print("[red]a[/red] :train: b", Rule("[b]c"), Tree("[i]d"))
    assert all(name in console.file.getvalue() for name in ("[red]a[/red] :train: b", "[b]c", "[i]d"))
