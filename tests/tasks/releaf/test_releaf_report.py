"""The report: one file, the figures of its inputs, honest findings, escaped text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import check
from statewright.functions.signature import is_named_tuple
from tasks.releaf.contracts.raw import MATERIALS
from tasks.releaf.params import ReportParams
from tasks.releaf.questions import summarise
from tasks.releaf.report import report
from tasks.releaf.sections.photographs import reliability

PARAMS = shipped_params(ReportParams, "releaf.report")
EVIL = "<script>alert('x')</script>"
SECTIONS = (
    "findings", "questions", "assistant", "photographs", "unfamiliar", "graph", "search", "language",
    "serving", "feedback", "corpus", "reproduce",
)  # fmt: skip
KINDS = ("uniform", "same type", "same type and degree", "whole type")


def sources() -> dict[str, Any]:
    """Return counts with one quarantined row, whose value is markup."""
    counts = {"rows_read": 41, "rows_kept": 40, "rows_quarantined": 1}
    fault = {"table": "waste_items", "row": 7, "column": "item", "value": EVIL, "reason": "is missing"}
    return {
        "waste_quarantine": pd.DataFrame([fault]),
        "ingest": {"tables": {"waste_items": counts}, "all_tables": counts, "cards": 12, "documents": 0,
                   "city_texts": 0, "documents_from": "off", "full_tier": "off"},
        "preprocess": {
            "items": 40, "items_repeated": 2, "items_of_two_streams": 3, "streams_united": 0, "families": 30,
            "split": {"dev": 4, "test": 12, "train": 24}, "items_cited": 10, "test_items_cited": 5,
            "streams": {"Toronto: Blue Bin": 30, f"{EVIL}: Trash": 10}, "cards": 12, "passages": 48,
            "passage_words_mean": 20.0, "nodes": 9, "links": 8, "links_not_stated": 1, "photos": 60,
            "photos_left_out": {"twin_of_held_out": ["a.jpg"], "two_labels": []},
        },
    }  # fmt: skip


def retrieved() -> dict[str, Any]:
    """Return a fusion worse than BM25, and a confidence unrelated to right bins."""
    rows = [
        {"system": system, "city": city, "name": "jar", "cited": cited, "ndcg_10": 0.5 if cited else np.nan,
         "ap": 0.5 if cited else np.nan, "recall_100": 1.0 if cited else np.nan,
         "rr_10": 0.5 if cited else np.nan, "right_stream": 0.5, "confidence": 0.2, "level": "medium"}
        for system in ("bm25", "weighted") for city in ("Toronto", EVIL) for cited in (True, False)
    ]  # fmt: skip

    def system(ndcg: float, p: float | None) -> dict[str, Any]:
        return {"ndcg_10": ndcg, "ap": 0.411, "recall_100": 0.987, "rr_10": 0.432, "p_holm": p,
                "right_stream": 0.523, "right_stream_cited": 0.634,
                "right_stream_uncited": 0.345}  # fmt: skip

    level = {"questions": 7, "right_stream": 0.6}
    return {
        "retrieval_scores": pd.DataFrame(rows),
        "retrieve": {
            "questions": 884, "questions_cited": 531, "shipped": "weighted", "best_single": "bm25",
            "systems": {"bm25": system(0.777, None), "weighted": system(0.666, 0.0123)},
            "commonest_stream": 0.35,
            "confidence": {"high": level, "medium": level | {"right_stream": 0.7},
                           "low": level | {"right_stream": 0.5}},
            "grid": [{"w_dense": w, "feedback": 0, "ndcg_10": 0.9 - (w - 0.4) ** 2, "right_stream": 0.6}
                     for w in (0.0, 0.4, 1.0)],
            "reranker": "off", "store": "inside the process", "store_agrees": 1.0,
        },
    }  # fmt: skip


def answered() -> dict[str, Any]:
    """Return an assistant that is no better than the cards alone."""

    def right(share: float) -> dict[str, Any]:
        return {"questions": 884, "right": share, "low": share - 0.03, "high": share + 0.03}

    bases = {"names": 884, "model": 0.6, "nearest_name": 0.65, "commonest_stream": 0.35}
    return {
        "streams": {"streams": {"Toronto": ["Blue Bin"]}, "strength": 3.0, "dev_by_strength": {"3": 0.6},
                    "dev": bases, "test": bases, "test_by_city": {"Toronto": bases}},
        "evaluate": {
            "w_cards": 0.5, "dev_by_weight": {"0.5": 0.7}, "temperature": 0.63, "names": right(0.671),
            "names_cited": right(0.712), "names_uncited": right(0.613), "by_cards": right(0.689),
            "by_list": right(0.6), "by_city": {"Toronto": right(0.671)}, "by_level": {"high": right(0.8)},
            "at_least": {"0.9": right(0.95)}, "p_against_cards": 0.4, "ece_raw": 0.14, "ece": 0.15,
            "photographs": {"Toronto": right(0.96)},
        },
    }  # fmt: skip


def questioned() -> dict[str, Any]:
    """Return two questions, of which the held-out one is wrong and lacks a caution."""
    table = pd.DataFrame(
        [
            ("jar", "Toronto", "plain", "develop", "Blue Bin", "Blue Bin", "right", False, False),
            (f"vape {EVIL}", "Toronto", "brand", "held out", "HHW", "Garbage", "wrong", True, False),
        ],
        columns=["question", "city", "kind", "half", "bins", "answer", "verdict", "hazardous", "caution"],
    )
    return {"question_answers": table, "questions": summarise(table).model_dump()}


def listed() -> dict[str, Any]:
    """Return two lists, and four answers of which two are right."""
    items = [
        ("Toronto", "jars", "Blue Bin", "train"), ("Toronto", "Jar", "Blue Bin", "test"),
        ("Toronto", "AA battery", "HHW", "test"), (EVIL, "battery", "Hazard", "test"),
        (EVIL, "Old paint", "Trash", "train"), ("Toronto", "crème cake", "Green Bin", "test"),
    ]  # fmt: skip
    vectors = {"jars": [1, 0], "Jar": [1, 0], "AA battery": [0, 1], "battery": [0, 1], "Old paint": [0, 1],
               "crème cake": [1, 0]}  # fmt: skip
    answers = [
        ("Toronto", "Jar", "Blue Bin", "Blue Bin", 0.9, True, True),
        ("Toronto", "AA battery", "Blue Bin", "HHW", 0.61, False, True),
        (EVIL, "battery", "Hazard", "Hazard, Trash", 0.8, True, False),
        ("Toronto", "crème cake", "Blue Bin", "Green Bin", 0.4, False, False),
    ]
    columns = ["city", "name", "stream", "right_streams", "probability", "by_assistant", "by_cards"]
    return {
        "items": pd.DataFrame(
            [(f"{city}:{name}", name, city, stream, stream, "other", name, split, False)
             for city, name, stream, split in items],
            columns=["item_id", "name", "city", "stream", "city_stream", "kind", "family", "split", "cited"],
        ),
        "names": pd.DataFrame(
            {"name": list(vectors), "vector": [np.array(v, np.float32) for v in vectors.values()]}
        ),
        "answers": pd.DataFrame(answers, columns=columns).assign(cited=True, level="low", by_list=False),
    }  # fmt: skip


def classified() -> dict[str, Any]:
    """Return ten test photos of each material; two of glass are classified as metal."""
    counts = np.diag([10] * len(MATERIALS))
    glass, metal = MATERIALS.index("glass"), MATERIALS.index("metal")
    counts[glass, glass], counts[glass, metal] = 8, 2
    pairs = [(a, b) for a in MATERIALS for b in MATERIALS]
    confusion = pd.DataFrame(pairs, columns=["label", "found"]).assign(photos=counts.ravel())
    photos = confusion.loc[confusion.index.repeat(confusion["photos"]), ["label", "found"]]
    predictions = photos.reset_index(drop=True).assign(split="test", confidence=0.95)
    predictions.loc[0, "confidence"] = 1.0
    scores = pd.DataFrame(
        {"split": "test", "model": "all", "material": MATERIALS, "photos": 10, "precision": 0.901,
         "recall": np.diag(counts) / 10, "f1": 0.912}
    )  # fmt: skip
    quality = {
        "accuracy": 0.967, "accuracy_low": 0.886, "accuracy_high": 0.991, "log_loss_raw": 0.4,
        "log_loss": 0.3, "ece_raw": 0.123, "ece": 0.045, "temperature": 0.55,
    }  # fmt: skip
    return {
        "vision_scores": scores,
        "vision_confusion": confusion,
        "vision_predictions": predictions.assign(photo_id=[f"{k}.jpg" for k in range(len(predictions))]),
        "vision": {
            "tier": "features", "backbone": "efficientnet-lite0",
            "photos": {"train": 9, "val": 8, "test": 60},
            "heads_on": ["material"], "heads_off": {"item": "no label"}, "bin_from": "a table",
            "parameters_trained": 658950, "best_epochs": [3, 5], "validation": quality, "test": quality,
            "accuracy_seeds": [0.951, 0.962], "accuracy_seeds_mean": 0.9565, "accuracy_seeds_sd": 0.008,
            "recall": {}, "bin_accuracy": {"Toronto": 0.983},
            "own": {"folder": "shelf", "files": 9, "kept": {"train": 5, "own": 3},
                    "rejected": {"a.txt": EVIL}, "accuracy": 0.667, "tested": 3,
                    "items": ["can", "jar"], "item_accuracy": 0.5, "items_tested": 2},
        },
        "novelty": unfamiliar(),
    }  # fmt: skip


def unfamiliar() -> dict[str, Any]:
    """Return the figures of a test that marks 9 of 10 pictures without waste."""
    rate = {"pictures": 10, "share": 0.9, "low": 0.6, "high": 0.98}
    score = {
        "auroc_calibration": 0.931, "auroc_test": 0.942, "auroc_low": 0.9, "auroc_high": 0.96,
        "detected": 0.9, "false_alarms": 0.03,
    }  # fmt: skip
    return {
        "method": "classes", "threshold": 0.8, "pictures": {"calibration": 7, "test": 10},
        "methods": {"softmax": {**score, "auroc_test": 0.711}, "classes": score},
        "false_alarms": {**rate, "pictures": 60, "share": 0.03}, "detected": rate,
        "detected_by_kind": {"portraits": rate}, "confident": {**rate, "share": 0.8},
        "ceilings": {"material": 0.96, "Toronto": 0.98},
    }  # fmt: skip


def linked() -> dict[str, Any]:
    """Return a model that loses against random pairs, and one fit use."""
    rows = [
        {"model": model, "learnt": learnt, "relation": "all", "negatives": kind, "links": 686, "auc": 0.9,
         "ap": ap if kind == "uniform" else 0.8 - 0.3 * (not learnt), "hits_at_10": 0.25 + 0.25 * learnt}
        for model, learnt, ap in (("sage-mean", True, 0.71), ("type popularity", False, 0.82))
        for kind in KINDS
    ]  # fmt: skip
    test = {
        kind: {"auc": 0.9, "ap": 0.71, "hits_at_10": 0.5, "best_baseline": "type popularity",
               "best_baseline_ap": 0.82, "beats": kind != "uniform"}
        for kind in KINDS
    }  # fmt: skip
    nodes = pd.DataFrame(
        {"node": ["item:jar", "reuse:lamp"], "node_type": ["item", "reuse"], "name": ["JARS", "lamp"],
         "neighbours": [3, 1], "degree": 0.5, "pagerank": [0.0123, 0.0045], "betweenness": 0.25}
    )  # fmt: skip
    recommendations = pd.DataFrame(
        {"item": "item:jar", "kind": "reuse", "rank": [1, 2, 3],
         "target": ["reuse:lamp", "reuse:far", "reuse:doubt"], "target_name": ["Lamp", "far", "doubt"],
         "score": [0.91, 0.99, 0.61], "steps": [2, 9, 2],
         "path": ["JARS has the same name as Jar (item); Jar can become Lamp (reuse)", "nine steps",
                  "JARS has the same name as Jar (item); Jar can become doubt (reuse)"]}
    )  # fmt: skip
    labels = pd.DataFrame(
        {"kind": ["reuse", "reuse", "product"], "item": "jar", "target": ["lamp", "doubt", "Nutella"],
         "score": 0.5, "steps": 2, "explained": True, "sensible": [True, False, False], "why": "It is so."}
    )  # fmt: skip
    return {
        "link_scores": pd.DataFrame(rows), "recommendations": recommendations, "node_scores": nodes,
        "suggestion_labels": labels,
        "graph": {
            "encoder": "sage-mean", "parameters": 315394, "best_epoch": 160, "epochs": 200,
            "validation_ap": 0.7, "test": test, "encoders_ap": {},
            "size": {"nodes": 4841, "predicted": 6910, "context": 409, "train": 5883, "validation": 341,
                     "test": 686, "components": 16, "largest_component": 4799},
            "homophily": {"observed": 0.143, "shuffled": 0.477, "p_value": 1.0}, "recommended": 2,
            "with_path": 1.0, "mean_steps": 5.5,
        },
    }  # fmt: skip


def adapted() -> dict[str, Any]:
    """Return an adapter that helps, but stays below the simple baseline."""
    answers = {
        "asked": 32, "right_bin": 0.25, "cites": 0.1, "shown_right": 0.2, "grounded": 0.9, "refused": 0.5,
    }  # fmt: skip
    perplexity = {"cards": {"before": 21.53, "after": 11.75}, "wiki": {"before": 30.0, "after": 31.25}}
    return {
        "adapt": {
            "model": "small", "rank": 8, "alpha": 16, "learnt_from": {}, "matrices": 210,
            "trainable": 2442240, "trainable_share": 0.0178, "formula": 2442240, "formula_holds": True,
            "reduction": 43.5, "reductions": {}, "merged_difference": 0.0, "steps": 24, "best_step": 18,
            "perplexity": perplexity, "forgetting": "not measured", "answers_before": answers,
            "answers_after": answers | {"right_bin": 0.375},
            "baselines": {"own card": 0.75, "commonest": 0.3},
        },
    }  # fmt: skip


def loaded() -> dict[str, Any]:
    """Return two dispatch rules, one hit rate, and a formula that is not accurate."""
    row = {"load": 0.9, "hit_rate": 0.0, "p50": 1.0, "p95": 2.0, "mean": 3.25, "expected": np.nan,
           "stable": True, "servers": 2.0}  # fmt: skip
    rows = [
        row | {"part": "dispatch", "way": "shared", "p99": 67.4},
        row | {"part": "dispatch", "way": "uniform", "p99": 10464.9},
        row | {"part": "cache", "way": "kept", "p99": 9.5, "hit_rate": 0.4, "expected": 3.5},
    ]
    return {
        "serving_latencies": pd.DataFrame(rows),
        "serving": {
            "requests": 10000, "highest_load": 0.9, "p99": {"shared": 67.4, "uniform": 10464.9},
            "best_rule": "shared", "closed_form_off": 0.1, "cache_formula_off": 0.05,
            "cache_naive_off": 0.69, "rush_p99": {"fixed": 21.3, "scaled": 9131.8},
            "rush_servers": {"fixed": 8.0, "scaled": 2.72},
        },
    }  # fmt: skip


def proposed() -> dict[str, Any]:
    """Return a patch of the weight, and eleven hard negatives, the worst last."""
    wrong = {"question": "jar", "passage_id": [f"{k:02}" for k in range(11)],
             "card_id": [f"card-{k}" for k in range(11)], "text": "Not this.",
             "rating_sum": [-1] * 10 + [-4]}  # fmt: skip
    patch = [{"key": "releaf.retrieve.w_dense", "was": 0.6, "now": 0.5}]
    feedback = {"stop": False, "reason": "Try less.", "score": 0.7, "patch": patch}
    return {"hard_negatives": pd.DataFrame(wrong), "feedback": feedback}


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """Small inputs that satisfy every contract of the stage."""
    files = {**sources(), **retrieved(), **answered(), **classified(), **linked(), **adapted(), **loaded(),
             **proposed(), **listed(), **questioned()}  # fmt: skip
    hints = get_type_hints(report, include_extras=True)
    hints.pop("return")
    arguments: dict[str, Any] = {}
    for name, annotation in hints.items():
        if is_named_tuple(annotation):
            contracts = get_type_hints(annotation, include_extras=True)
            arguments[name] = annotation(
                **{stem: check(files[stem], contract, stem) for stem, contract in contracts.items()}
            )
        elif name in files:
            arguments[name] = check(files[name], annotation, name)
    return arguments


@pytest.fixture(scope="module")
def page(inputs: dict[str, Any]) -> str:
    return report(**inputs, params=PARAMS).report


class Reader(HTMLParser):
    """Parser of a page into tags, text, and the cells of table rows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag not in {"meta", "br", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"th", "td"} & set(self.open[-2:]):
            self.rows[-1][-1] += data

    def all(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def test_nothing_outside_the_page_is_referenced(page: str, read: Reader):
    assert "http://" not in page and "https://" not in page and "@import" not in page
    assert all(link.startswith("#") for link in read.all("href") + read.all("xlink:href"))
    assert not [tag for tag, _ in read.tags if tag in {"link", "img", "iframe", "object"}]


def test_elements_nest_and_links_have_targets(read: Reader, page: str):
    assert read.open == []
    names = read.all("id")
    assert sorted(names) == sorted(set(names))
    assert {link[1:] for link in read.all("href")} | set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)
    assert tuple(attrs["id"] for tag, attrs in read.tags if tag == "section") == SECTIONS


def test_text_from_the_data_is_escaped(page: str, read: Reader):
    assert page.count("<script") == 3  # that of the page itself, the mistakes and the items
    # Quarantine, a rejected picture, and a city: in a sentence, two tables, a heading, a button, a caption.
    assert read.text.count(EVIL) == 9


def test_the_same_inputs_give_the_same_bytes(inputs: dict[str, Any], page: str):
    assert report(**inputs, params=PARAMS).report == page
    assert not re.search(r"Created|<dc:date>|Software", page)


def test_figures_and_tables_have_text_alternatives(read: Reader):
    pictures = [attrs for tag, attrs in read.tags if tag == "svg"]
    assert len({picture["aria-label"] for picture in pictures}) == 6
    assert all(picture["role"] == "img" and len(picture["aria-label"] or "") > 20 for picture in pictures)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("figcaption") == tags.count("figure")
    assert tags.count("caption") == tags.count("table") > 12


@pytest.mark.parametrize(
    "row",
    [
        ["waste_items", "41", "40", "1"],
        ["waste_items", "7", "item", EVIL, "is missing"],
        ["bm25", "0.777", "0.411", "0.987", "0.432", "0.523", "0.634", "0.345", "–"],
        ["weighted (shipped)", "0.666", "0.411", "0.987", "0.432", "0.523", "0.634", "0.345", "0.0123"],
        ["high", "above 0.3", "7", "0.600"],
        ["all names", "884", "0.671", "0.641 to 0.701"],
        ["photos, Toronto", "884", "0.960", "0.930 to 0.990"],
        ["test", "0.967", "0.886 to 0.991", "0.400", "0.300", "0.123", "0.045"],
        ["glass", "10", "0.901", "0.800", "0.912"],
        ["seed 2", "0.962", "5"],
        ["type popularity (baseline)", "uniform", "0.900", "0.820", "0.250"],
        ["Jar", "Lamp", "0.91", "Jar"],
        ["0.84", "0 of 0", "0% to 100%", "1 of 1", "21% to 100%"],
        ["0.5", "1 of 2", "9% to 91%", "1 of 2", "9% to 91%"],
        ["Household Hazardous Waste", "1"],
        ["cards", "21.53", "11.75"],
        ["written: names the right bin", "25%", "38%"],
        ["uniform", "10,464.9"],
        ["kept", "0.40", "3.2", "3.5", "9.5"],
        ["scaled", "9,131.8", "2.72"],
        ["releaf.retrieve.w_dense", "0.6", "0.5"],
        ["jar", "card-10", "Not this.", "-4"],
        ["a.txt", EVIL],
    ],
)
def test_every_table_holds_the_figures_given(read: Reader, row: list[str]):
    assert row in read.rows


def test_only_uses_that_pass_the_rules_and_the_threshold_are_shown(read: Reader):
    assert [row for row in read.rows if row[0] == "Jar" and len(row) == 4] == [["Jar", "Lamp", "0.91", "Jar"]]
    assert "All 1 suggestion with a score of at least 0.84." in read.text


def test_no_use_is_shown_if_the_check_does_not_support_it(inputs: dict[str, Any]):
    graph = inputs["graph"]
    doubtful = graph._replace(suggestion_labels=graph.suggestion_labels.assign(sensible=False))
    text = Reader(report(**inputs | {"graph": doubtful}, params=PARAMS).report).text
    assert "No suggestion is shown: 0 of 1 checked pairs with a score of at least 0.84 are sensible" in text


def test_only_the_worst_rated_passages_are_listed(read: Reader):
    shown = [row[1] for row in read.rows if len(row) == 4 and row[2] == "Not this."]
    assert shown == ["card-10", *(f"card-{k}" for k in range(9))]


@pytest.mark.parametrize(
    "sentence",
    [
        "nDCG@10 0.666 (1 is perfect), significantly worse than bm25 alone (0.777)",
        "Among 1 other system, 0 are significantly better than bm25 and 1 is significantly worse",
        "does not rise with the confidence (from 50% to 60%)",
        "0.4 with 0 documents of feedback ranks best (nDCG@10 0.900)",
        "the right bin for 67% (64% to 70%) of 884 held-out names. This is not more often than with the "
        "cards alone (69%)",
        "does not beat copying the bin of the most similar name on the list (60% against 65%)",
        "its calibration error does not fall from 0.140 to 0.150",
        "The hardest material is glass: 80% of 10 photos are recognised, most others are classified as "
        "metal.",
        "error of its confidence falls from 0.123 to 0.045",
        "the assistant marks 90% (60% to 98%) of 10 test pictures such as portraits",
        "Without the test, 80% (60% to 98%) of the 10 test pictures get a bin in Toronto",
        "Your own pictures, 9 files in shelf: 3 own and 5 train; 1 rejected. The material of 67% of 3 test "
        "pictures is recognised. The item of 50% of 2 is recognised, among can and jar.",
        "11 passages have more negative than positive ratings",
        "a change of releaf.retrieve.w_dense from 0.6 to 0.5 is proposed",
        "against 3 of 4 kinds of unlinked pairs",
        "it is worse against uniform (type popularity 0.820 against 0.710)",
        "By Hits@10 it is always better.",
        "in 38% of 32 held-out questions with its adapter and in 25% without, not above the simple baseline",
        "Its perplexity falls on cards and rises on wiki.",
        "the rule “shared” answers 99% of the requests within 67.4 ms, the rule “uniform” within 10,464.9 ms",
        "is accurate (largest error 5%) if T_compute is the time in the queue",
        "It is not accurate (largest error 69%) if T_compute is the time without a cache",
        "67% of its bins are right (593 of 884; always guessing the commonest bin: 35%)",
        "No bin has enough names to be called the weakest, and 1 of 1 hazardous items got a bin for other",
        "1 of 2 uses and 0 of 1 products are sensible",
    ],
)
def test_findings_follow_the_figures_even_if_the_model_loses(read: Reader, sentence: str):
    assert sentence in read.text


def test_groups_of_confidence_contain_every_photo_once(inputs: dict[str, Any]):
    tested = inputs["vision"].vision_predictions
    curve = reliability(tested)
    assert curve["photos"].sum() == len(tested)
    right = (tested["label"] == tested["found"]).mean()
    assert np.average(curve["right"], weights=curve["photos"]) == pytest.approx(right)
    assert np.average(curve["confidence"], weights=curve["photos"]) == pytest.approx(
        tested["confidence"].mean()
    )
