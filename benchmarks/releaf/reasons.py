"""Measure the thresholds for unknown items, cited cards and warnings.

Only names outside the test split are used, read from `data/releaf` (``statewright run releaf``). Each table
has the threshold of the assistant and other values, to show the effect of another choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmarks.parts import Omission, Tables
from releaf.answers import LEAST_KNOWN, LEAST_NEAR
from releaf.cautions import HAZARDOUS, LEAST
from releaf.knowledge import Knowledge, assemble
from releaf.mixture import Rules, score_cards, stream_shares
from tasks.releaf.evaluate import rules_of
from tasks.releaf.params import EvaluateParams, RetrieveParams
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("items", "cards", "passages", "vectors", "names")


@dataclass(frozen=True)
class Question:
    """A name in a city, with its streams, the cards that cite it, and the scores."""

    city: str
    split: str
    streams: frozenset[str]
    cards: frozenset[str]
    nearest: float
    scores: NDArray[np.float64]
    shares: dict[str, float]

    @property
    def stream(self) -> str:
        """The likeliest stream."""
        return next(iter(self.shares))

    @property
    def hazardous(self) -> bool:
        """True if the list of the city assigns the name to hazardous waste."""
        return HAZARDOUS[self.city] in self.streams


def tables(repeat: int) -> Tables:
    """Yield one table per threshold."""
    folder = ROOT / "data/releaf"
    if not (folder / "evaluate.json").is_file():
        yield Omission(f"{folder} has no evaluate.json; run `statewright run releaf-evaluate`")
        return
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["releaf"]
    temperature = json.loads((folder / "evaluate.json").read_text("utf-8"))["temperature"]
    rules = rules_of(EvaluateParams(**params["evaluate"]), RetrieveParams(**params["retrieve"]), temperature)
    known = _known(folder, read)
    questions = list(ask(known, read, rules))
    dev = [question for question in questions if question.split == "dev"]
    yield unknown_names(dev)
    yield cited(known, questions, rules.cards)
    yield warned(dev)


def _known(folder: Path, read: dict[str, pd.DataFrame]) -> Knowledge:
    return assemble(
        **read | {"vectors": np.stack(list(read["vectors"]["vector"]))},
        bm25=load_file(folder / "bm25.safetensors"),
        terms=json.loads((folder / "vocabulary.json").read_text("utf-8"))["terms"],
        stream_arrays=load_file(folder / "stream_model.safetensors"),
        streams=json.loads((folder / "streams.json").read_text("utf-8"))["streams"],
    )


def ask(known: Knowledge, read: dict[str, pd.DataFrame], rules: Rules) -> Iterator[Question]:
    """Yield every name of train and dev, once per city."""
    cards_of = read["cards"].explode("item_ids").groupby("item_ids")["card_id"].agg(frozenset).to_dict()
    vector_of = read["names"].set_index("name")["vector"]
    items = read["items"][read["items"]["split"] != "test"]
    for (city, split), part in items.groupby(["city", "split"]):
        rows = list(part.groupby("name"))
        names = [name for name, _ in rows]
        vectors = np.stack(list(vector_of.loc[names])).astype(np.float64)
        scores, _ = score_cards(known, names, vectors, rules)
        shares = stream_shares(known, city, names, vectors, scores, rules)
        nearest = (vectors @ known.corpus.vectors.T).max(axis=1)
        for (_, entries), cosine, row, share in zip(rows, nearest, scores, shares, strict=True):
            cards = frozenset[str]().union(*(cards_of.get(item, frozenset()) for item in entries["item_id"]))
            yield Question(city, split, frozenset(entries["stream"]), cards, float(cosine), row, share)


def unknown_names(questions: list[Question]) -> BenchmarkTable:
    """Return the accuracy for names without a near passage, by threshold."""

    def row(least: float) -> list[TextOrNumber]:
        far = [question for question in questions if question.nearest < least]
        correct = sum(question.stream in question.streams for question in far)
        mean = float(np.mean([question.shares[question.stream] for question in far])) if far else None
        return [least, len(questions), len(far), correct, mean]

    return BenchmarkTable(
        name="unknown names",
        title=f"Dev names whose nearest passage has a cosine below a threshold (the assistant uses "
        f"{LEAST_KNOWN}).",
        columns=["cosine below", "names", "unknown", "correct bin", "mean probability"],
        rows=[row(least) for least in (0.25, 0.3, LEAST_KNOWN, 0.4, 0.5)],
        decimals={"cosine below": 2, "mean probability": 2},
    )


def cited(known: Knowledge, questions: list[Question], used_cards: int) -> BenchmarkTable:
    """Return how many cards with the bin of a listed name cite it, by relative score."""
    pairs = [pair for question in questions if (pair := _card(known, question, used_cards))]
    ranges = [(0.0, 0.6), (0.6, LEAST_NEAR), (LEAST_NEAR, 0.9), (0.9, 1.0), (1.0, np.inf)]
    parts = [[cites for ratio, cites in pairs if low <= ratio < high] for low, high in ranges]
    labels = [f"{low} to {high}" if np.isfinite(high) else "the first card" for low, high in ranges]
    return BenchmarkTable(
        name="cited",
        title=f"Cards with the bin of a name of train or dev, by score relative to the first card (cited "
        f"from {LEAST_NEAR}).",
        columns=["score", "cards", "that cite the name"],
        rows=[[name, len(part), sum(part)] for name, part in zip(labels, parts, strict=True)],
    )


def _card(known: Knowledge, question: Question, used_cards: int) -> tuple[float, bool] | None:
    """Return the relative score of the cited card, and whether it cites the name."""
    scores = question.scores
    order = [k for k in np.argsort(-scores, kind="stable") if np.isfinite(scores[k])]
    near = [k for k in order if question.city in known.cards[k].streams][:used_cards]
    stream = min(question.streams)
    for k in near:
        if stream in known.cards[k].streams[question.city]:
            return float(scores[k] / scores[order[0]]), known.cards[k].card_id in question.cards
    return None


def warned(questions: list[Question]) -> BenchmarkTable:
    """Return hazardous dev names with another bin, and warnings, by threshold."""
    other = [question for question in questions if question.stream != HAZARDOUS[question.city]]
    missed = [question for question in other if question.hazardous]

    def row(least: float) -> list[TextOrNumber]:
        warnings = [q for q in other if q.shares.get(HAZARDOUS[q.city], 0.0) >= least]
        caught = sum(question.hazardous for question in warnings)
        hazardous = sum(question.hazardous for question in questions)
        return [least, hazardous, len(missed), caught, len(warnings) - caught]

    return BenchmarkTable(
        name="warned",
        title=f"Hazardous dev names with another bin, and warnings by the hazardous share (the assistant "
        f"uses {LEAST}).",
        columns=["share from", "hazardous", "with another bin", "of these with a warning", "other warnings"],
        rows=[row(least) for least in (0.05, LEAST, 0.2, 0.3)],
        decimals={"share from": 2},
    )
