"""Charts agree with their schedule; predictions agree with the dispatcher."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from statewright.planning.plan import MAY, MUST, RESTORE, SKIP, Decision, Plan
from statewright.scheduling.prediction import compare, expected_seconds, schedule_plan
from statewright.scheduling.schedule import Problem, Schedule, solve
from statewright.terminal.gantt import (
    Chart,
    draw_svg,
    draw_text,
    plan_chart,
    problem_chart,
    save_svg,
    show,
    ticks,
)
from statewright.workflow import Stage, Workflow
from tests.statewright.toys import make_repository
from tests.statewright.toys import statewright as command_line

SVG = "{http://www.w3.org/2000/svg}"
TWO_CORES: Mapping[str, float] = {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0}


def toy_chart(**changes: object) -> Chart:
    """Return a chart of two consecutive tasks and a third parallel to them."""
    problem = Problem(
        {"fit": 30, "score <all> & more": 10, "plot": 20},
        {"score <all> & more": ["fit"]},
        {name: {"cpu": 1} for name in ("fit", "score <all> & more", "plot")},
        {"cpu": 2},
    )
    chart = problem_chart(problem, solve(problem, seconds=0), "toy")
    return Chart(**{**vars(chart), **changes})


def printed(chart: Chart, width: int = 100) -> list[str]:
    """Return the rows of the chart as text, without legend and title."""
    console = Console(file=io.StringIO(), width=width)
    console.print(draw_text(chart, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n").split("\n")


def workflow_of(upstream: Mapping[str, tuple[str, ...]], meta: Mapping[str, Mapping[str, float]]) -> Workflow:
    """Return a workflow of stages without files."""
    return Workflow({a: Stage(a, ("true",), meta=meta.get(a, {})) for a in upstream}, upstream)


def plan_of(seconds: Mapping[str, tuple[float, float] | None], **verdicts: str) -> Plan:
    """Return a plan with the verdict must, except where `verdicts` gives another."""
    return Plan({a: Decision(a, verdicts.get(a, MUST), (), s) for a, s in seconds.items()})


@pytest.mark.parametrize("width", [60, 100, 150])
def test_bars_are_to_scale(width: int) -> None:
    head, *rows = printed(toy_chart(), width)
    assert max(map(len, (head, *rows))) <= width
    bars = {
        row.split("  ")[0]: (row.index(mark), len(row.rstrip()))
        for row in rows
        for mark in "█▓"
        if mark in row
    }
    fit, score, plot = bars["fit"], bars["score <all> & more"], bars["plot"]
    assert fit[0] == plot[0]
    assert fit[1] == score[0]
    scale = (score[1] - fit[0]) / 40
    assert fit[1] - fit[0] == pytest.approx(30 * scale, abs=1)
    assert plot[1] - plot[0] == pytest.approx(20 * scale, abs=1)
    assert "30 to 40" in next(row for row in rows if row.startswith("score"))
    # The axis: the label 20 begins where a bar of length 20 would end.
    assert re.search(r"\b20\b", head)
    assert re.search(r"\b20\b", head).start() == pytest.approx(plot[1], abs=1)  # type: ignore[union-attr]


def test_the_critical_sequence_is_solid_and_assumed_durations_are_light() -> None:
    rows = {row.split("  ")[0]: row for row in printed(toy_chart(assumed=["plot"]))[1:]}
    assert "█" in rows["fit"]
    assert "█" in rows["score <all> & more"]
    assert "░" in rows["plot"]
    assert any(row.startswith("plot") and "▓" in row for row in printed(toy_chart()))


def test_a_task_without_duration_is_a_mark_and_a_short_task_is_one_cell() -> None:
    problem = Problem({"start": 0, "tick": 0.001, "long": 1000}, {"tick": ["start"]})
    rows = {row.split()[0]: row for row in printed(problem_chart(problem, solve(problem), "toy"))[1:]}
    assert rows["start"].rstrip().endswith("|")
    assert rows["tick"].count("▓") == 1


def test_the_printed_chart_ends_with_legend_and_title() -> None:
    console = Console(file=io.StringIO(), width=100)
    show(toy_chart(), console)
    assert isinstance(console.file, io.StringIO)
    *_, legend, title = console.file.getvalue().rstrip("\n").split("\n")
    assert legend.split("  ") == ["█ critical sequence", "▓ others"]
    assert title == "toy: makespan 40, proven optimal"


def test_the_svg_is_well_formed_and_to_scale(tmp_path: Path) -> None:
    save_svg(toy_chart(assumed=["plot"]), tmp_path / "toy.svg")
    root = ET.parse(tmp_path / "toy.svg").getroot()
    assert root.tag == f"{SVG}svg"
    rows = {
        group.findtext(f"{SVG}title", "").split(":")[0]: group.find(f"{SVG}rect")
        for group in root.iter(f"{SVG}g")
    }
    assert set(rows) == {"fit", "plot", "score <all> & more"}
    box = {
        task: (float(rect.get("x", "")), float(rect.get("width", "")))
        for task, rect in rows.items()
        if rect is not None
    }
    scale = box["fit"][1] / 30
    assert box["plot"] == pytest.approx((box["fit"][0], 20 * scale), abs=0.2)
    assert box["score <all> & more"] == pytest.approx((box["fit"][0] + 30 * scale, 10 * scale), abs=0.2)
    kinds = {task: rect.get("class") for task, rect in rows.items() if rect is not None}
    assert kinds == {"fit": "critical", "score <all> & more": "critical", "plot": "free assumed"}
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", "0")) + float(rect.get("width", "")) <= width
        assert float(rect.get("y", "0")) + float(rect.get("height", "")) <= height
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"fit", "score <all> & more", "30", "assumed duration"} <= set(texts)


def test_an_empty_chart_is_drawn() -> None:
    chart = Chart(Schedule({}, {}, 0, 0, True), "nothing")
    assert len(printed(chart)) == 1
    assert ET.fromstring(draw_svg(chart)).findtext(f"{SVG}text") == "nothing"


@pytest.mark.parametrize(
    ("makespan", "expected"),
    [
        (0, [0]),
        (8, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (47, [0, 10, 20, 30, 40]),
        (0.9, [0, 0.2, 0.4, 0.6, 0.8]),
        (500, [0, 120, 240, 360, 480]),
        (7200, [0, 900, 1800, 2700, 3600, 4500, 5400, 6300, 7200]),
    ],
)
def test_the_axis_has_round_times(makespan: float, expected: list[float]) -> None:
    assert ticks(makespan) == pytest.approx(expected)


def test_expected_seconds_of_stages_with_and_without_past_runs() -> None:
    plan = plan_of(
        {"a": (1, 3), "b": (8, 12), "c": (4, 4), "d": None, "e": (5, 9), "f": (1, 1)}, e=RESTORE, f=SKIP
    )
    expected = expected_seconds(plan)
    assert expected.pop("e") < 1
    assert expected == pytest.approx({"a": 3**0.5, "b": 96**0.5, "c": 4, "d": 4})
    assert expected_seconds(plan_of({"a": None})) == {"a": 1}


def test_a_prediction_starts_the_longest_tail_first_on_the_given_cores() -> None:
    workflow = workflow_of({"a": (), "b": (), "c": (), "d": ("c",)}, {})
    plan = plan_of({"a": (2, 4.5), "b": (3, 3), "c": (3, 3), "d": (10, 10)})
    found = schedule_plan(workflow, plan, TWO_CORES)
    assert dict(found.schedule.start) == {"a": 0, "b": 3, "c": 0, "d": 3}
    assert (found.schedule.makespan, found.schedule.optimal) == (13, True)
    assert found.critical == ("c", "d")
    assert schedule_plan(workflow, plan, {**TWO_CORES, "cpu": 1.0}).schedule.makespan == 19


def test_the_range_of_a_prediction_covers_stages_that_may_run_and_slow_runs() -> None:
    workflow = workflow_of({"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}, {})
    plan = plan_of({"a": (2, 4.5), "b": (5, 5), "c": None, "d": (7, 9)}, b=MAY, d=RESTORE)
    found = schedule_plan(workflow, plan, TWO_CORES)
    restored = found.schedule.finish["d"] - found.schedule.start["d"]
    assert found.assumed == ("c",)
    assert found.schedule.makespan == pytest.approx(3 + 5 + 4 + restored)
    assert (found.low, found.high) == pytest.approx((2 + 0 + 4 + restored, 4.5 + 5 + 4 + restored))


@pytest.mark.parametrize("meta", [{"cpu": 3}, {"ram_gb": 64}, {"gpu": 1}])
def test_a_stage_that_demands_more_than_the_capacity_is_predicted_to_run_alone(
    meta: dict[str, float],
) -> None:
    workflow = workflow_of({"big": (), "b": (), "c": ()}, {"big": meta, "c": {"cpu": 0, "ram_gb": 0}})
    found = schedule_plan(workflow, plan_of({"big": (5, 5), "b": (2, 2), "c": (2, 2)}), TWO_CORES)
    assert dict(found.schedule.start) == {"big": 0, "b": 5, "c": 5}


def test_memory_and_cores_of_meta_are_shared() -> None:
    workflow = workflow_of({"a": (), "b": (), "c": ()}, {"a": {"ram_gb": 6}, "b": {"ram_gb": 6}})
    found = schedule_plan(workflow, plan_of({"a": (5, 5), "b": (5, 5), "c": (5, 5)}), TWO_CORES)
    assert sorted(found.schedule.start.values()) == [0, 0, 5]
    assert abs(found.schedule.start["a"] - found.schedule.start["b"]) == 5


def test_a_prediction_is_compared_with_the_actual_times() -> None:
    predicted = Schedule({"a": 0, "b": 2}, {"a": 2, "b": 5}, 5, 5, True)
    found = compare(predicted, {"a": (1000.0, 1003.0), "c": (1003.0, 1007.5)})
    assert found.as_dict() == {
        "predicted": 5,
        "actual": 7.5,
        "stages": {
            "a": {"predicted": 2, "actual": 3.0},
            "b": {"predicted": 3, "actual": None},
            "c": {"predicted": None, "actual": 4.5},
        },
    }
    assert compare(predicted, {}).actual == 0


def test_the_range_contains_the_prediction_despite_timing_anomalies() -> None:
    workflow = workflow_of({"a": (), "b": (), "c": (), "d": (), "e": ("b", "c", "d")}, {})
    lasts = {"a": 4.0, "b": 4.0, "c": 3.0, "d": 8.0}
    quick = schedule_plan(workflow, plan_of({a: (s, s) for a, s in {**lasts, "e": 1.0}.items()}), TWO_CORES)
    plan = plan_of({a: (s, s) for a, s in lasts.items()} | {"e": (1.0, 5.0)})
    found = schedule_plan(workflow, plan, TWO_CORES)
    assert quick.schedule.makespan > found.schedule.makespan == 11
    assert found.low <= found.schedule.makespan <= found.high


def test_the_title_of_a_plan_has_range_bound_and_assumptions() -> None:
    workflow = workflow_of({"a": (), "b": (), "c": (), "d": (), "e": ()}, {"b": {"cpu": 2}})
    plan = plan_of({"a": (3, 3), "b": (2, 4.5), "c": None})
    title = plan_chart(schedule_plan(workflow, plan, TWO_CORES), 2).title
    assert title == "6.0 s on 2 cores (5.0 s at best, 7.5 s at worst); the duration of 1 stage is assumed"


def test_the_command_draws_a_plan_in_the_terminal_and_as_svg(tmp_path: Path) -> None:
    pipeline = """
        stages:
          make:
            cmd: echo 1 > one.txt
            outs: [one.txt]
          copy:
            cmd: cp one.txt two.txt
            deps: [one.txt]
            outs: [two.txt]
    """
    root = make_repository(tmp_path / "repository", {"dvc.yaml": pipeline})
    done = command_line(root, "plan", "--schedule", "--svg", "charts/plan.svg", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^copy +1\.0 s to 2\.0 s +░+$", done.stdout, re.MULTILINE)
    assert "2.0 s on 2 cores; the duration of 2 stages is assumed" in done.stdout
    names = [g.findtext(f"{SVG}title") for g in ET.parse(root / "charts" / "plan.svg").iter(f"{SVG}g")]
    assert names == ["make: 0.0 s to 1.0 s", "copy: 1.0 s to 2.0 s"]
