"""The report of the fusion: one file, the figures of its inputs, honest findings."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from methods.attention.graph import AttentionGraph
from statewright.contracts import Feedback, check
from tasks.fusion.contracts import fuse
from tasks.fusion.contracts.characterise import Characterisation, Recognition
from tasks.fusion.contracts.report import Descriptions, Tables
from tasks.fusion.contracts.tables import IngestMetrics, PreprocessMetrics, Schema
from tasks.fusion.report import report
from tasks.fusion.sections.figures.attention import largest
from tasks.fusion.sections.modalities import attention_graph
from tasks.fusion.sections.words import drawn

EVIL = "<script>alert('x')</script>"
SECTIONS = [
    "findings",
    "data",
    "choice",
    "scores",
    "modalities",
    "failures",
    "shape",
    "feedback",
    "reproduce",
]
NAMES = ("gene", "image")
DRIFT = {"psi_largest": 0.1, "columns": 0, "auc": 0.51, "auc_low": 0.4, "auc_high": 0.8}


def interval(mean: float, half: float = 0.01) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def tables(classes: list[str]) -> Tables:
    rows = 40
    records = pd.DataFrame({"key": [f"{EVIL}{k}" for k in range(rows)], "target": ["a"] * rows})
    counts = {"rows_read": rows + 1, "rows_kept": rows, "rows_quarantined": 1}
    schema = {
        "task": "classification" if classes else "regression", "target": "outcome", "classes": classes,
        "key": ["patient"], "time": None, "groups": None, "split": None, "levels": [],
        "modalities": {name: {"table": f"{name}_table", "columns": [{"name": "c", "kind": "number"}]}
                       for name in NAMES},
    }  # fmt: skip
    modality = {"columns": 7, "columns_dropped": 1, "rows": 39, "cells_missing": 0.123}
    fault = {
        "table": "gene_table",
        "row": 3,
        "column": "c",
        "value": EVIL,
        "reason": "is odd",
        "lost": "cell",
    }
    preprocess = {
        "rule": "stratified", "development": 33, "test": 7, "unused": 0, "groups": 40, "groups_in_both": 0,
        "repeated": 2, "columns": dict.fromkeys(NAMES, 7), "columns_dropped": dict.fromkeys(NAMES, 0),
        "absent": dict.fromkeys(NAMES, 0.25), "classes": dict.fromkeys(classes, 1 / max(len(classes), 1)),
    }  # fmt: skip
    return Tables(
        records,
        check(schema, Schema, "schema"),
        pd.DataFrame([fault]),
        check(
            {"tables": dict.fromkeys(("gene_table", "image_table"), counts),
             "modalities": dict.fromkeys(NAMES, modality), "records": rows, "complete_records": 30,
             "cells_quarantined": 1, "reasons": {"is odd": 1}},
            IngestMetrics, "ingest",
        ),
        check(preprocess, PreprocessMetrics, "preprocess"),
    )  # fmt: skip


def descriptions() -> Descriptions:
    part = {
        "rows": 33, "columns": 7, "cells_missing": 0.1, "cells_filled": 0.1, "shrinkage": 0.2,
        "effective_rank": 3.4,
        "skewed_columns": 2, "heavy_columns": 1, "normality": None, "drift": DRIFT, "absent_p": 0.001,
    }  # fmt: skip
    family = {
        "family": "mixture", "size": 3, "cells_filled": 0.0, "space": "columns", "dimensions": 7,
        "rows": 33, "variance_kept": 1.0, "bic_components": 3, "candidates": {},
    }  # fmt: skip
    summary = {
        "rows": 33, "order": "row", "modalities": dict.fromkeys(NAMES, part), "patterns": {}, "levels": {},
        "within_share": None,
        "little": {"patterns": 3, "chi2": 35.106, "degrees": 14, "p": 0.00142, "not_applied": None},
    }  # fmt: skip
    return Descriptions(
        check(summary, Characterisation, "characterise"),
        check({"modalities": {"gene": family}, "too_few": ["image"]}, Recognition, "recognise"),
    )


ATTENTION = {
    "modalities": list(NAMES),
    "operators": {
        "tensor": {"importance": {"gene": 0.5, "image": 0.5}, "entropy": {}, "levels": [], "parameters": {}},
        "attention": {
            "importance": {"gene": 0.8, "image": 0.2}, "entropy": {"gene": 0.72, "image": 0.99},
            # A fifth of the rows lack the image: its row sums to 0.8.
            "levels": [[[0.9, 0.1], [0.32, 0.48]]], "parameters": {},
        },
    },
}  # fmt: skip


def decisions(classes: list[str]) -> pd.DataFrame:
    """Return 33 rows of which the last two are wrong, the last most surely."""
    missing = [np.nan] * 33
    if classes:
        return pd.DataFrame(
            {"row": range(33), "target": "a", "decision": ["a"] * 31 + ["b", EVIL],
             "probability": [0.9] * 31 + [0.7, 0.987], "low": missing, "high": missing, "classes": "a, b"}
        )  # fmt: skip
    return pd.DataFrame(
        {"row": range(33), "target": "1.5", "decision": ["1.5"] * 31 + ["1.2", "-2"], "probability": missing,
         "low": -3.25, "high": 1.0, "classes": ""}
    )  # fmt: skip


def inputs(classes: list[str], gain: float = 0.05) -> dict[str, Any]:
    """Return the arguments of the stage; `gain` is that over the best modality."""
    names = ("late-stacked", "early", "only:gene", "only:image", "prior")
    scores = dict(zip(names, (0.911, 0.902, 0.861, 0.755, 0.512), strict=True))
    verdict = "yes" if gain > 0.01 else "no" if gain < -0.01 else "not shown"
    quality = {"log_loss": 0.3, "brier": 0.12, "error": 0.034} if classes else None
    evaluate = {
        "chosen": "late-stacked", "resplits": 20, "rows": 33, "scores": scores, "best_single": "gene",
        "gains": {n: interval(gain if n == "only:gene" else 0.1) for n in names[1:]}, "helps": verdict,
        "modalities": {
            "gene": {"importance": 0.7, "permuted": interval(0.234), "absent": 0.310, "absent_early": 0.4,
                     "alone": 0.861},
            "image": {"importance": 0.3, "permuted": interval(0.004), "absent": 0.02, "absent_early": None,
                      "alone": 0.755},
        },
        "alpha": 0.1,
        "reliability": {"raw": quality, "calibrated": quality, "temperature": 1.2, "radius": 0.8,
                        "coverage": 0.907, "size": 1.25},
    }  # fmt: skip
    choice = {
        "chosen": "late-stacked", "weights": {"late-stacked": 1.0}, "without": [], "landmarks": 600,
        "rows": 33, "folds": 5, "order": ["early", "late-stacked"],
        "means": {"late-stacked": 0.912, "early": 0.902}, "score": 0.905, "regret": 0.0031,
        "scores": {"late-stacked": [0.9, 0.92, 0.91, 0.9, 0.93], "early": [0.9, 0.91, 0.9, 0.9, 0.9]},
        "picked": ["late-stacked"] * 4 + ["early"], "fold_regret": [0.0] * 5,
    }  # fmt: skip
    judge = {
        "chosen": "late-stacked", "rows": 7,
        "scores": dict(zip(names, (0.857, 0.9, 0.8, 0.7, 0.5), strict=True)),
        "gains": {n: interval(0.1, 0.2) for n in names[1:]}, "calibration": quality, "coverage": 0.857,
        "size": 1.5, "drift": {"gene": DRIFT | {"auc": 0.71, "auc_low": 0.66}, "image": None},
    }  # fmt: skip
    return {
        "tables": tables(classes),
        "described": descriptions(),
        "choice": check(choice, fuse.ChoiceMetrics, "choice"),
        "attention": check(ATTENTION, fuse.Attention, "attention"),
        "evaluated": fuse.EvaluateOutputs(decisions(classes), check(evaluate, fuse.Evaluation, "evaluate")),
        "judge": check(judge, fuse.Judgement, "judge"),
        "feedback": Feedback(stop=True, reason="No move has a reason.", score=0.1),
    }


class Page(HTMLParser):
    """Sections, tags with their attributes, and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def html() -> str:
    return report(**inputs(["a", "b"])).report


def test_the_page_is_one_file_with_every_section_and_escaped_text(html: str) -> None:
    page = Page(html)
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == SECTIONS
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe")]
    assert EVIL not in html
    assert EVIL in page.text
    assert not re.findall(r'(?:src|href)="(?!#)', html)


def test_every_figure_has_a_text_with_its_numbers(html: str) -> None:
    labels = [*dict.fromkeys(attrs["aria-label"] or "" for tag, attrs in Page(html).tags if tag == "svg")]
    assert len(labels) == 4
    assert "over only:gene +5.0 (4.0 to 6.0)" in labels[0]
    assert "gene 0.234 exchanged, 0.310 absent" in labels[1]
    assert labels[2] == "Share of the rows of a class that are decided wrong: a 6%"  # 2 of 33
    assert labels[3] == "Attention of the result: 0.80 to gene and 0.20 to image"


def test_the_page_opens_with_three_sentences_and_three_figures(html: str) -> None:
    opening = html[html.index("<header>") : html.index('id="details"')]
    sentences = re.findall(r"<p>(.*?)</p>", opening)
    assert len(sentences) == 3 and all(sentence.endswith(".") for sentence in sentences)
    assert opening.count("<figure") == 3
    assert "together they reach an accuracy of 91.1%" in sentences[1]
    assert "reaches an accuracy of 85.7%; the best of the others" in sentences[2]


def test_the_numbers_of_the_inputs_are_on_the_page(html: str) -> None:
    text = Page(html).text
    for words in (
        "40 records",  # data card
        "2 test rows repeat exactly the cells",
        "Regret of the choice: 0.0031",
        "“late-stacked” (4 times) and “early” (1 time)",
        "+5.0 (4.0 to 6.0)",  # paired difference in points
        "in 90.7% of the development rows, judged by models without them, and in 85.7% of the held-out rows",
        "temperature 1.20",
        "gene 0.72 and image 0.99",  # entropy
        "mixture of 3 normals",
        "too few rows",
        "The test rows differ from the development rows in gene.",
        "0.71 (0.66 to 0.80)",
        "chi-square 35.1 with 14 degrees of freedom in 3 patterns, p 0.001: rows with missing cells differ",
        "(2 of 33 rows are wrong)",
    ):
        assert words in text, words


def test_a_random_part_of_the_rows_is_named_as_such() -> None:
    assert drawn(3000, 8000) == "3,000 development rows (drawn at random from 8,000)"
    assert drawn(1600, 1600) == "1,600 development rows"


def test_the_best_on_the_held_out_rows_is_marked_although_it_was_not_chosen(html: str) -> None:
    cells = re.findall(r'class="best[^"]*">([^<]*)</td>', html)
    assert "0.900" in cells
    assert "the best of the others has 0.900 (“early”)" in Page(html).text


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (0.05, "Fusing helps: +5.0 (4.0 to 6.0) points over the best single modality, “gene”."),
        (0.002, "Fusing does not clearly help: +0.2 (−0.8 to 1.2) points against the modality “gene” alone"),
        (-0.05, "Fusing hurts: −5.0 (−6.0 to −4.0) points against the modality “gene” alone."),
    ],
)
def test_the_first_finding_says_whether_fusing_helps(gain: float, words: str) -> None:
    made = report(**inputs(["a", "b"], gain))
    assert words in re.sub(r"\s+", " ", made.findings)
    assert words in Page(made.report).text


def test_failures_are_sorted_by_loss_and_named_by_key(html: str) -> None:
    section = html[html.index('<section id="failures"') : html.index('<section id="shape"')]
    keys = re.findall(r'<th scope="row">&lt;script&gt;.*?&lt;/script&gt;(\d+)</th>', section)
    assert keys == ["32", "31"]
    assert "No sure effect: image" in Page(html).text  # its interval contains 0


def test_a_regression_has_no_classes() -> None:
    page = Page(report(**inputs([])).report)
    assert "R²" in page.text
    assert "Stated probabilities" not in page.text
    assert "mistaken" not in page.text
    assert "3.5" in page.text  # the error of the last row
    assert "−3.25 to 1" in page.text
    assert "an R² of 0.911" in page.text


def test_the_drawn_graph_keeps_the_largest_shares() -> None:
    weights = np.array([[0.5, 0.3, 0.15, 0.05]])
    graph = largest(AttentionGraph((("result",), ("a", "b", "c", "d")), (weights,)), most=2)
    assert graph.levels == (("result",), ("a", "b"))
    np.testing.assert_allclose(graph.adjacency[0], [[0.625, 0.375]])


def test_the_graph_goes_from_the_result_to_the_modalities_that_it_reads() -> None:
    made = inputs(["a", "b"])["attention"]
    graph = attention_graph(made.modalities, made.operators["attention"])
    np.testing.assert_allclose(graph.adjacency[1], [[0.9, 0.1], [0.4, 0.6]])
    np.testing.assert_allclose(graph.rollout(), [[0.8 * 0.9 + 0.2 * 0.4, 0.8 * 0.1 + 0.2 * 0.6]])


def test_the_components_of_a_hierarchy_are_named_after_their_modality() -> None:
    levels = [[[0.7, 0.3]], [[0.6, 0.4, 0.0, 0.0], [0.0, 0.0, 0.9, 0.1]]]
    details = fuse.OperatorDetails(
        importance={"gene": 0.7, "image": 0.3}, entropy={}, levels=levels, parameters={}
    )
    graph = attention_graph(list(NAMES), details)
    assert graph.levels == (("result",), NAMES, ("gene 1", "gene 2", "image 1", "image 2"))
    np.testing.assert_allclose(graph.rollout(), [[0.42, 0.28, 0.27, 0.03]])


def test_the_graph_of_an_operator_that_was_not_chosen_says_so(html: str) -> None:
    """`late-stacked` weighs the modalities, but only `attention` attends."""
    assert "Attention of “attention” (which was compared but not chosen)" in Page(html).text
    made = inputs(["a", "b"])
    made["attention"].operators.pop("attention")
    assert "No compared operator has attention" in Page(report(**made).report).text


def test_the_same_inputs_give_the_same_bytes(html: str) -> None:
    assert report(**inputs(["a", "b"])).report == html
