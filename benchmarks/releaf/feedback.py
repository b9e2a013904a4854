"""Simulate the feedback stage on the real items and cards.

The simulation checks whether the stage corrects a badly chosen weight. Simulated users who know the correct
cards ask for the names of the test items, and rate the first card of a search with some `w_dense` by a thumb.
The table has the proposal of the stage, and how often the first card is correct before and after, which the
stage itself cannot know. The inputs are read from `data/releaf`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import load_file

from benchmarks.parts import Omission, Tables
from tasks.releaf.contracts.tables import Vocabulary
from tasks.releaf.feedback import SearchSetup, feedback, first_cards
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import FeedbackParams, IndexParams, RetrieveParams
from tasks.releaf.passages.judging import ask
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = (0.0, 0.2, 0.6, 1.0)
TABLES = ("passages", "items", "cards", "vectors")


def tables(repeat: int) -> Tables:
    """Yield a table with one row per weight of the search."""
    folder = ROOT / "data/releaf"
    if not (folder / "vectors.parquet").is_file():
        yield Omission(f"{folder} has no vectors.parquet; run `statewright run releaf-index`")
        return
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    vocabulary = Vocabulary.model_validate_json((folder / "vocabulary.json").read_text(encoding="utf-8"))
    index = IndexOutputs(load_file(folder / "bm25.safetensors"), vocabulary, read["vectors"])
    correct = correct_cards(read["items"], read["cards"])
    yield BenchmarkTable(
        name="rehearsal",
        title="Proposals of the feedback stage, from simulated thumbs for the names of test items.",
        columns=["w_dense", "questions", "hard negatives", "proposed", "first card correct, now", "then"],
        rows=[_row(weight, read, index, correct) for weight in WEIGHTS],
        decimals={"w_dense": 1, "proposed": 1},
    )


def correct_cards(items: pd.DataFrame, cards: pd.DataFrame) -> dict[str, set[str]]:
    """Return the cards that cite each test item, by its name, in all cities."""
    questions, card_ids = ask(items, cards).of("test"), cards["card_id"].to_numpy()
    correct: dict[str, set[str]] = {}
    for name, row in zip(questions.table["name"].str.lower(), questions.relevance, strict=True):
        if row.any():
            correct.setdefault(name, set()).update(card_ids[row > 0])
    return dict(sorted(correct.items()))


def _row(
    weight: float,
    read: dict[str, pd.DataFrame],
    index: IndexOutputs,
    correct: dict[str, set[str]],
) -> list[TextOrNumber]:
    from methods.retrieval.search import Corpus
    from methods.retrieval.sparse import from_arrays

    block = yaml.safe_load((ROOT / "params.yaml").read_text())["releaf"]
    params, encoder = FeedbackParams(**block["feedback"]), IndexParams(**block["index"])
    retrieve = RetrieveParams(**block["retrieve"] | {"w_dense": weight})
    vectors, passages = np.stack(list(read["vectors"]["vector"])).astype(float), read["passages"]
    corpus = Corpus(from_arrays(index.bm25, index.vocabulary.terms), vectors)
    shares = [weight, *retrieve.grid]
    first = first_cards(SearchSetup(corpus, passages, retrieve, encoder), list(correct), shares)
    result = feedback(
        log(first[weight], passages, correct), passages, read["items"], read["cards"], index,
        params=params, retrieve=retrieve, index=encoder,
    )  # fmt: skip
    then = result.feedback.patch[0].now if result.feedback.patch else weight
    share_now, share_then = (
        float(np.mean([card in cards for card, cards in zip(first[share], correct.values(), strict=True)]))
        for share in (weight, then)
    )
    proposed = then if result.feedback.patch else "nothing"
    return [weight, len(correct), len(result.hard_negatives), proposed, share_now, share_then]


def log(first: list[str], passages: pd.DataFrame, correct: dict[str, set[str]]) -> pd.DataFrame:
    """Return the log of the service: one row per question, with a correct thumb."""
    passage_of = passages.drop_duplicates("card_id").set_index("card_id")["passage_id"]
    return pd.DataFrame(
        {
            "answer_id": [str(row) for row in range(len(first))],
            "question": list(correct),
            "card_id": first,
            "passage_id": passage_of.loc[first].to_numpy(),
            "rating": [
                1 if card in cards else -1 for card, cards in zip(first, correct.values(), strict=True)
            ],
        }
    )
