"""Check tables of the benchmarks of the waste assistant, and parts without data."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count, cycle
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from benchmarks.parts import Omission
from benchmarks.releaf import _single, adapt, graph, load, reasons, retrieval, vision
from benchmarks.releaf._cross_encoder import Ranking, best_weight
from methods.retrieval.evaluation import MEASURES
from releaf.knowledge import Card, CityList
from tasks.releaf.adapter.scores import AdaptSummary


def summary(after: float, right: float) -> AdaptSummary:
    shares = {"asked": 4, "cites": 0.5, "shown_right": 0.25, "grounded": 0.25, "refused": 0.5}
    return AdaptSummary(
        model="m", rank=1, alpha=2, learnt_from={}, matrices=1, trainable=1, trainable_share=0.1, formula=1,
        formula_holds=True, reduction=2.0, reductions={}, merged_difference=0.0, steps=1, best_step=1,
        perplexity={"wikitext2": {"before": 20.0, "after": after}}, forgetting="",
        answers_before=shares | {"right_bin": 0.0}, answers_after=shares | {"right_bin": right},
        baselines={"commonest": 0.75},
    )  # fmt: skip


def test_perplexities_and_shares_are_means_over_the_seeds():
    summaries = [summary(21.0, 0.25), summary(23.0, 0.75)]
    assert adapt.perplexities(summaries[:1]).rows == [["wikitext2", 20.0, 21.0, pytest.approx(5.0)]]
    assert adapt.perplexities(summaries).rows == [["wikitext2", 20.0, 22.0, pytest.approx(10.0)]]
    rows = adapt.answers(summaries).rows
    assert rows[0] == ["names the right bin", 0.0, 0.5]
    assert rows[-1] == ["right bin without a model: commonest", 0.75, 0.75]


def test_missing_texts_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapt, "ROOT", tmp_path)
    monkeypatch.setenv("STATEWRIGHT_DATA", str(tmp_path / "elsewhere"))
    [omission] = adapt.tables(1)
    assert isinstance(omission, Omission) and "cards.parquet is missing" in omission.reason
    (tmp_path / "data/releaf").mkdir(parents=True)
    for name in adapt.TABLES:
        (tmp_path / f"data/releaf/{name}.parquet").touch()
    [omission] = adapt.tables(1)
    assert isinstance(omission, Omission) and "elsewhere/text/waste_answers.parquet" in omission.reason


def test_each_system_has_a_row_with_p_against_the_better_single_system():
    queries = 12

    def measures(first: float) -> dict[str, np.ndarray]:
        return {name: np.full(queries, first + k) for k, name in enumerate(MEASURES)}

    systems = {"BM25": measures(0.25), "dense": measures(0.5), "re-ranked": measures(0.75)}
    rows = list(retrieval.system_rows("x", systems))
    assert [row[:3] for row in rows] == [["x", queries, name] for name in systems]
    assert rows[2][3:-1] == [0.75 + k for k in range(len(MEASURES))]
    # Equal differences of one sign: two of 2^12 patterns are as far from 0, and Holm doubles each of two.
    low, none, high = (row[-1] for row in rows)
    assert none is None and low == high == pytest.approx(2 * 2 / 2**queries)


def test_the_share_of_the_documents_of_the_matrix_in_a_store():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [-1.0, 0.0]])
    queries = np.array([[1.0, 0.0], [0.0, 1.0]])
    exact = retrieval.nearest_by_matrix(vectors, queries, 3)
    assert [exact[0], exact[1][:2]] == [[0, 2, 1], [1, 2]]
    assert retrieval.nearest_by_matrix(vectors, queries[:1], 9) == [[0, 2, 1, 3]]
    assert retrieval.shared_share([[2, 0, 3], exact[1][::-1]], exact) == 5 / 6


def test_the_best_weight_has_the_best_mean_and_is_the_smallest_of_equal_ones():
    relevance, first = np.array([[0, 1]]), np.array([[1.0, 0.0]])

    def ranking(pairs: list[float]) -> Ranking:
        return Ranking("x", relevance, first, np.array([pairs]), np.arange(2), 0.0)

    assert best_weight([ranking([5.0, -5.0])]) == 0.0
    weight = best_weight([ranking([-50.0, 50.0])])
    assert 0.0 < weight <= 0.6
    assert ranking([-50.0, 50.0]).measure(weight)[0] == 1.0 > ranking([-50.0, 50.0]).measure(0.0)[0]


def test_classes_confusions_and_seeds_have_rows():
    scores = pd.DataFrame(
        {"split": ["test", "val", "test"], "model": ["all", "all", "0"], "material": "glass", "photos": 3,
         "precision": [0.5, 0.0, 0.0], "recall": [2 / 3, 0.0, 0.0], "f1": [0.6, 0.0, 0.0]}
    )  # fmt: skip
    confusion = pd.DataFrame({"label": "glass", "found": ["glass", "metal"], "photos": [2, 1]})
    summary = SimpleNamespace(accuracy_seeds=[0.25, 0.75], best_epochs=[3, 4])
    result = SimpleNamespace(vision_scores=scores, vision_confusion=confusion, vision=summary)
    classes, seeds = vision.class_tables("features", "shipped features", cast("Any", result))
    assert classes.columns[-2:] == ["as glass", "as metal"]
    assert classes.rows == [["glass", 3, 0.5, pytest.approx(2 / 3), 0.6, 2, 1]]
    assert seeds.rows == [["0", 0.25, 3], ["1", 0.75, 4]]


def test_each_measure_of_the_item_graph_has_a_table():
    part = pd.DataFrame({"auc": [0.9, 0.8], "ap": [0.5, 0.7], "hits_at_10": [0.1, 0.3]}).loc[[0, 1, 0, 1]]
    precision, area, hits = graph.item_tables([("gat", part, [7, 1.5])])
    assert precision.rows == [["gat", 0.5, 0.7, 0.5, 0.7, pytest.approx(0.6), 7, 1.5]]
    assert area.rows[0][1:5] == [0.9, 0.8, 0.9, 0.8]
    assert hits.rows[0][5] == pytest.approx(0.2)


@contextmanager
def server(*codes: int) -> Iterator[str]:
    """Serve these statuses in turn; yield the address."""
    statuses = cycle(codes)

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(next(statuses))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as answers:
        Thread(target=answers.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{answers.server_port}"
        answers.shutdown()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the load test see a clock that moves 10 ms each time it is read.

    A success takes three readings, another answer two, so that the requests of a round do not depend on
    the speed of this machine.
    """
    ticks = count()
    monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=lambda: next(ticks) / 100))


def ratings() -> dict[str, Any]:
    return {"url": "/v1/ratings"}


@pytest.mark.usefixtures("clock")
def test_refused_requests_are_counted_separately(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load, "SECONDS", 0.7)
    with server(204, 429, 500) as address:
        taken, others, took = asyncio.run(load._drive(address, ratings, 1, 0.7))
        assert (len(taken), others) == (10, {429: 10, 500: 10})
        assert taken == pytest.approx([0.01] * 10) and took == pytest.approx(0.72)
        [row] = load._load(address, {"/v1/ratings": ratings}, 2).rows
    assert row == [
        "/v1/ratings",
        1,
        *[pytest.approx(10)] * 3,
        pytest.approx(10 / 0.72, rel=0.1),
        20,
        20,
        None,
    ]


@pytest.mark.usefixtures("clock")
def test_a_round_without_a_success_has_no_latency(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load, "SECONDS", 0.06)
    with server(429) as address:
        [row] = load._load(address, {"/v1/ratings": ratings}, 2).rows
    assert row == ["/v1/ratings", 1, None, None, None, 0.0, 0, 6, None]
    # Of three rounds, one has a success: its latencies, and the middle rate.
    rounds: list[load.Round] = [([], Counter({429: 1}), 1.0), ([0.25], Counter(), 1.0), ([], Counter(), 1.0)]
    assert load._middle(rounds) == [250, 250, 250, 0]


def question(shares: dict[str, float], streams: set[str], nearest: float, *scores: float) -> reasons.Question:
    """Return a question about a name of Toronto that the card 'own' cites."""
    return reasons.Question(
        "Toronto", "dev", frozenset(streams), frozenset({"own"}), nearest, np.array(scores), shares
    )


def test_unknown_names_and_warnings_are_counted():
    questions = [
        question({"Garbage": 0.8, "HHW": 0.2}, {"HHW"}, 0.3),
        question({"Garbage": 0.7, "HHW": 0.3}, {"Garbage"}, 0.34),
        question({"HHW": 1.0}, {"HHW"}, 0.9),
    ]
    rows = {row[0]: row[1:] for row in reasons.unknown_names(questions).rows}
    assert rows[0.25] == [3, 0, 0, None]
    assert rows[0.35] == [3, 2, 1, pytest.approx(0.75)]
    rows = {row[0]: row[1:] for row in reasons.warned(questions).rows}
    assert (rows[0.1], rows[0.3]) == ([2, 1, 1, 1], [2, 1, 0, 1])


def test_cards_are_grouped_by_their_score_relative_to_the_first():
    cards = [
        Card("there", "There", {}, {"Seattle": ("Trash",)}),
        Card("own", "Own", {}, {"Toronto": ("Garbage",)}),
        Card("other", "Other", {}, {"Toronto": ("Garbage", "HHW")}),
    ]
    known = cast("Any", SimpleNamespace(cards=cards))
    questions = [
        question(
            {}, {"Garbage"}, 1.0, 1.0, 0.85, 0.5
        ),  # the first card is of another city, so the own card is cited
        question({}, {"HHW"}, 1.0, 0.1, 1.0, 0.7),  # the own card names another bin
        question({}, {"Garbage"}, 1.0, 0.1, 1.0, 0.7),
        question({}, {"Depot"}, 1.0, 1.0, 1.0, 1.0),
    ]
    rows = [row[1:] for row in reasons.cited(known, questions, 3).rows]
    assert rows == [[0, 0], [1, 0], [1, 1], [0, 0], [1, 1]]


def test_a_single_answer_is_timed_with_all_its_parts(monkeypatch: pytest.MonkeyPatch):
    """Record the calls of a fake assistant: each total calls all of its parts."""
    calls: list[str] = []

    def note(name: str, result: Any) -> Any:
        return lambda *given: calls.append(name) or result

    assistant = cast("Any", SimpleNamespace(
        knowledge=SimpleNamespace(lists={"Toronto": CityList(("jar",), (("Blue Bin",),), np.eye(1), {})},
                              ideas={("toronto", "jar"): ("a lamp",)}),
        encode=note("encode", np.ones((1, 1))), answer_text=note("ask", None),
        answer_photograph=note("show", None),
        recognize=note("see", SimpleNamespace(item="jar")), observe=note("name", [{}]),
    ))  # fmt: skip
    monkeypatch.setattr("service.assistant.as_record", note("record", {}))
    monkeypatch.setattr("methods.vision.pictures.decode", note("decode", None))
    words = {step[0]: step for step in _single.of_words(assistant, [("jar", "Toronto")] * 3)}
    photographs = {step[0]: step for step in _single.of_photographs(assistant, [b"", b""])}
    _, ideas, given, limit = words["recommend by the graph"]
    assert (ideas(*given[0]), limit) == (("a lamp",), 30)
    calls.clear()
    assert _single._row(*words["an answer to words, in all"])[3:] == [3, 500]
    assert calls == ["encode", "ask", "record"] * 3
    calls.clear()
    assert _single._row(*photographs["an answer to a photograph, in all"])[3:] == [2, 500]
    assert calls == ["decode", "name", "see", "encode", "show", "record"] * 2


def test_times_are_in_milliseconds():
    name, median, slow, times, limit = _single._row("wait", time.sleep, [(0.002,), (0.002,), (0.05,)], 7)
    assert (name, times, limit) == ("wait", 3, 7)
    assert 2 <= median < 40 < slow
