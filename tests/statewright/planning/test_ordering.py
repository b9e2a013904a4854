"""The order of stages by declarations, observed reads and workers."""

from __future__ import annotations

from graphlib import TopologicalSorter

from hypothesis import given
from hypothesis import strategies as st

from statewright.planning.ordering import Ordering, order_stages
from statewright.workflow import Output, Stage, Workflow

NAMES = ("a", "b", "c", "d", "e", "f")


def workflow(upstream: dict[str, tuple[str, ...]]) -> Workflow:
    stages = {n: Stage(n, (f"make {n}",), outs=(Output(f"{n}.csv"),)) for n in upstream}
    return Workflow(stages, upstream)


INDEPENDENT = workflow(dict.fromkeys(NAMES, ()))


def closure(after: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return for each stage all stages that end before it starts."""
    before: dict[str, set[str]] = {}
    for name in TopologicalSorter(after).static_order():
        before[name] = set(after[name]).union(*(before[up] for up in after[name]))
    return before


def test_an_unobserved_stage_is_alone_between_the_earlier_and_the_later_ones() -> None:
    ordering = order_stages(INDEPENDENT, NAMES, {}, set(NAMES) - {"c"}, "auto")

    before = closure(ordering.after())

    assert before["c"] == {"a", "b"}
    assert before["a"] == before["b"] == set()
    assert all(before[name] == {"a", "b", "c"} for name in "def")


def test_one_worker_is_the_serial_order_and_n_workers_trust_the_declarations() -> None:
    serial = closure(order_stages(INDEPENDENT, NAMES, {}, NAMES, 1).after())
    parallel = order_stages(INDEPENDENT, NAMES, {}, (), 4).after()

    assert all(serial[name] == set(NAMES[:number]) for number, name in enumerate(NAMES))
    assert not any(parallel.values())


def test_a_learned_read_keeps_the_serial_order_in_both_directions() -> None:
    reads = {"b": ["d.csv", "utils.py"], "e": ["a.csv/part"]}

    ordering = order_stages(INDEPENDENT, NAMES, reads, NAMES, "auto")

    # `e` reads what `a` makes; `b` reads what the later `d` made in the run before.
    assert ordering.after() == {n: {"e": {"a"}, "d": {"b"}}.get(n, set()) for n in NAMES}
    assert ordering.dependents("a") == {"e"}
    assert ordering.dependents("b") == set()


def test_data_source_without_a_command_does_not_have_to_be_alone() -> None:
    stages = {"raw.dvc": Stage("raw.dvc", (), outs=(Output("raw"),)), "a": Stage("a", ("x",))}

    assert order_stages(Workflow(stages, dict.fromkeys(stages, ())), [*stages], {}, (), "auto").alone == {"a"}


@given(st.data())
def test_constraints_never_contradict_the_serial_order(data: st.DataObject) -> None:
    upstream = {
        name: tuple(data.draw(st.sets(st.sampled_from(NAMES[:number])))) if number else ()
        for number, name in enumerate(NAMES)
    }
    some = st.sets(st.sampled_from(NAMES))
    reads = {name: [f"{other}.csv" for other in data.draw(some)] for name in NAMES}
    work = [name for name in NAMES if name in data.draw(some)]
    ordering: Ordering = order_stages(
        workflow(upstream), work, reads, data.draw(some), data.draw(st.sampled_from(["auto", 1, 3]))
    )
    for name in data.draw(some) & set(work):
        ordering = ordering.isolate(name)

    before = closure(ordering.after())

    for name in work:
        assert all(work.index(other) < work.index(name) for other in before[name])
        assert set(upstream[name]) & set(work) <= before[name]
        if name in ordering.alone:
            assert before[name] == set(work[: work.index(name)])
            assert all(name in before[later] for later in work[work.index(name) + 1 :])


def test_single_items_keep_the_order_in_which_they_were_named() -> None:
    flow = workflow({"early": (), "late": ("early",)})
    for workers in ("auto", 1, 2):
        after = order_stages(flow, ["late", "early"], {}, [], workers).after()
        assert list(TopologicalSorter(after).static_order()) == ["late", "early"]
