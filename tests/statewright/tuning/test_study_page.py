"""The page of a study: plots of the trials, in one file."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statewright.search.space import Choice, Float, Integer
from statewright.tuning.page.history import best_so_far, draw_history
from statewright.tuning.page.importance import draw_importance, importances
from statewright.tuning.page.page import write_page
from statewright.tuning.page.parallel import draw_parallel
from statewright.tuning.page.svg import Scale
from statewright.tuning.study import Study, Trial
from tests.browser import chromium, page_faults

SVG = "{http://www.w3.org/2000/svg}"
SPACE = {"lr": Float(0.001, 1.0, log=True), "depth": Integer(1, 9), "model": Choice(["ridge", "<b>&"])}
BASE = Study("songs", "train", "score.json:loss", "min", SPACE, "random", 20, 0)


def trial(number: int, value: float | None, **more: object) -> Trial:
    config = {"lr": 10 ** -(number % 4), "depth": 1 + number % 9, "model": SPACE["model"].values[number % 2]}
    fields = {"kind": "search" if number else "default", "status": "done", "config": config, **more}
    return Trial(number=number, value=value, **fields)  # type: ignore[arg-type]


def study(count: int = 14) -> Study:
    values = [3.0, 2.0, 2.5, 1.0, 400.0, *(1.5 + 0.1 * k for k in range(count - 5))]
    trials = [trial(number, value) for number, value in enumerate(values)]
    trials.append(trial(count, None, status="failed", reason="stage 'train': <boom>"))
    trials.append(trial(count + 1, 2.2, status="pruned", reason="poor"))
    trials.append(trial(count + 2, 1.1, kind="again", config=trials[3].config, seed=5))
    trials.append(trial(count + 3, 2.0, status="repeated", config=trials[1].config))
    return replace(BASE, trials=tuple(trials))


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)


def tips(drawing: str) -> list[str]:
    return [title.text or "" for title in parsed(drawing).iter(f"{SVG}title")]


def test_the_history_marks_every_kind_of_trial() -> None:
    shown = study()
    drawing = draw_history(shown, 860.0)
    found = tips(drawing)
    assert len(found) == len(shown.trials) - 1, "all but the repeated one"
    assert "trial 14, failed: no value (stage 'train': <boom>)" in found
    assert "trial 15, pruned: 2.2 (poor)" in found
    for name in ("best so far", "value of the defaults", "defaults", "pruned", "failed", "another seed"):
        assert name in drawing, name
    alt = parsed(drawing).get("aria-label") or ""
    assert "the best is 1.1 in trial 3" in alt and "the defaults reach 3" in alt
    assert "1 worse than the axis shows" in alt, "400 would squeeze the others"


@pytest.mark.parametrize("direction", ["min", "max"])
def test_the_best_so_far_is_the_running_extreme(direction: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=30)
    shown = replace(BASE, direction=direction, trials=tuple(trial(k, float(v)) for k, v in enumerate(values)))
    running = (np.minimum if direction == "min" else np.maximum).accumulate(values)
    steps = [k for k in range(30) if k == 0 or running[k] != running[k - 1]]
    assert best_so_far(shown) == [(k, running[k]) for k in steps]


def test_a_line_of_the_parallel_coordinates_crosses_the_axes_at_its_values() -> None:
    config = {"lr": math.sqrt(0.001), "depth": 3, "model": "<b>&"}
    low = trial(1, 1.0, config={"lr": 0.001, "depth": 1, "model": "ridge"})
    shown = replace(BASE, trials=(trial(0, 2.0, config=config), low))
    lines = [
        element for element in parsed(draw_parallel(shown, 860.0)).iter(f"{SVG}path") if element.get("d")
    ]
    by_tip = {element.find(f"{SVG}title").text[:7]: element.get("d") for element in lines}  # type: ignore[union-attr,index]
    heights = [float(y) for y in re.findall(r" ([\d.]+)(?= |$)", str(by_tip["trial 0"]))]
    lowest = [float(y) for y in re.findall(r" ([\d.]+)(?= |$)", str(by_tip["trial 1"]))]
    bottom, top = lowest[0], lowest[0] - 240
    assert heights[0] == pytest.approx((bottom + top) / 2, abs=0.1), "the middle of a logarithmic axis"
    assert heights[1] == pytest.approx(bottom - 240 * 2 / 8, abs=0.1)
    assert heights[2] == pytest.approx(top, abs=0.1)
    assert lowest[1:3] == [bottom, bottom]


def test_the_importance_is_the_share_of_the_variance() -> None:
    """Sobol's main effects of 4 x + y on the unit square: 16/17 and 1/17."""
    space = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0), "none": Choice(["a", "b"])}
    rng = np.random.default_rng(0)
    trials = []
    for number in range(120):
        config = {"x": float(rng.random()), "y": float(rng.random()), "none": "ab"[int(rng.integers(2))]}
        trials.append(trial(number, 4 * config["x"] + config["y"], config=config))
    found = importances(replace(BASE, space=space, trials=tuple(trials)))
    assert list(found.shares)[:2] == ["x", "y"]
    assert found.shares["x"] == pytest.approx(16 / 17, abs=0.04)
    assert found.shares["y"] == pytest.approx(1 / 17, abs=0.04)
    assert found.shares["none"] < 0.01
    drawing = draw_importance(BASE, found, 860.0)
    widths = [
        float(box.get("width") or 0)
        for box in parsed(drawing).iter(f"{SVG}rect")
        if box.get("class") == "mark"
    ]
    assert widths[0] / widths[1] == pytest.approx(found.shares["x"] / found.shares["y"], rel=0.01)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"trials": study().trials[:9]}, "too few trials: 9 of the 10"),
        ({"trials": tuple(trial(k, 1.0) for k in range(40))}, "same value"),
        ({"space": {"lr": SPACE["lr"], "depth": Integer(1, 9, when={"model": "ridge"})}}, "only one param"),
    ],
)
def test_an_importance_that_would_mislead_is_not_drawn(changed: dict[str, object], reason: str) -> None:
    found = importances(replace(BASE, **changed))  # type: ignore[arg-type]
    assert not found.shares and reason in found.reason
    assert reason in draw_importance(BASE, found, 350.0)


def test_defaults_outside_the_space_do_not_count_for_the_importance() -> None:
    trials = [trial(0, 9.0, config={"lr": 50.0, "depth": 2, "model": "ridge"})]
    trials += [trial(k, float(k)) for k in range(1, 20)]
    assert importances(replace(BASE, trials=tuple(trials))).shares


@pytest.mark.parametrize("trials", [study().trials, study().trials[14:15], ()])
def test_the_page_is_one_file_without_addresses(tmp_path: Path, trials: tuple[Trial, ...]) -> None:
    files = write_page(tmp_path, replace(study(), trials=trials))
    page = files.page.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\"' )<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "<boom>" not in page and "<b>&" not in page.replace("<b>&amp;", ""), "names are escaped"
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 6
    assert all(parsed(drawing).get("aria-label") for drawing in drawings)
    assert [path.name for path in files.plots] == ["history.svg", "importance.svg", "parallel.svg"]
    for path in files.plots:
        assert parsed(path.read_text(encoding="utf-8")).get("role") == "img"


def test_a_secret_is_not_on_the_page(tmp_path: Path) -> None:
    space = {"api.token": Choice(["abcdefgh1", "abcdefgh2"]), "lr": Float(0.1, 1.0)}
    trials = (trial(0, 1.0, config={"api.token": "abcdefgh1", "lr": 0.5}),)
    page = write_page(tmp_path, replace(BASE, space=space, trials=trials)).page.read_text(encoding="utf-8")
    assert "abcdefgh" not in page and "***" in page


@given(st.floats(0.001, 1e6), st.floats(1.01, 1e6), st.booleans(), st.integers(2, 8))
def test_ticks_are_between_the_ends_and_in_order(low: float, factor: float, log: bool, most: int) -> None:
    scale = Scale(low, low * factor, 0.0, 100.0, log)
    ticks = scale.ticks(most)
    assert ticks == sorted(ticks) and len(ticks) <= most + 1
    assert all(low * (1 - 1e-6) <= tick <= scale.high * (1 + 1e-6) for tick in ticks)
    places = [scale.at(tick) for tick in ticks]
    assert places == sorted(places) and all(0 <= place <= 100 for place in places)


@pytest.mark.slow
def test_a_browser_finds_no_fault_on_the_page(tmp_path: Path) -> None:
    files = write_page(tmp_path, study(40))
    with chromium() as browser:
        assert page_faults(browser, files.page.as_uri()) == []
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(files.page.as_uri())
        assert len([svg for svg in page.locator("svg").all() if svg.is_visible()]) == 3
        scale = page.evaluate(
            "Array.from(document.querySelectorAll('svg')).filter(e => e.getBoundingClientRect().width > 0)"
            ".map(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)"
        )
        assert min(scale) > 0.9, "labels of 12 px stay readable"
