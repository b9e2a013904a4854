"""A rehearsal of the feedback stage on the real items and cards: does it mend a weight that was set badly.

People who know the right cards ask for the names of the test items, one after another, and give a thumb to
the card that a search with some `w_dense` puts first. What the stage then proposes is told, and how often
the first card is right before and after, which the stage itself cannot see. Read from `data/releaf`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.parts import Found, Skipped
from statewright import files
from tasks.releaf.contracts.tables import Vocabulary
from tasks.releaf.feedback import SearchSetup, feedback, first_cards
from tasks.releaf.index import IndexOutputs
from tasks.releaf.params import FeedbackParams, IndexParams, RetrieveParams
from tasks.releaf.passages.judging import ask
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).resolve().parents[2]
SET_TO = (0.0, 0.2, 0.6, 1.0)
TABLES = ("passages", "items", "cards", "vectors")


def tables(repeat: int) -> Found:
    """A row a weight that the search is set to."""
    folder = ROOT / "data/releaf"
    if not (folder / "vectors.parquet").is_file():
        yield Skipped(f"{folder} has no vectors.parquet: `statewright run releaf-index`")
        return
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    vocabulary = Vocabulary(**files.load(folder / "vocabulary.json"))
    index = IndexOutputs(files.load(folder / "bm25.safetensors"), vocabulary, read["vectors"])
    right = right_cards(read["items"], read["cards"])
    yield BenchmarkTable(
        name="rehearsal",
        title="Thumbs on the first cards of the test items' names: what the feedback stage proposes.",
        columns=["w_dense", "questions", "hard negatives", "proposed", "first card right, now", "then"],
        rows=[_row(weight, read, index, right) for weight in SET_TO],
        decimals={"w_dense": 1, "proposed": 1},
    )


def right_cards(items: pd.DataFrame, cards: pd.DataFrame) -> dict[str, set[str]]:
    """For the name of each cited test item the cards that rest on it, in whatever city."""
    asked, known = ask(items, cards).of("test"), cards["card_id"].to_numpy()
    right: dict[str, set[str]] = {}
    for name, row in zip(asked.table["name"].str.lower(), asked.relevance, strict=True):
        if row.any():
            right.setdefault(name, set()).update(known[row > 0])
    return dict(sorted(right.items()))


def _row(
    weight: float, read: dict[str, pd.DataFrame], index: IndexOutputs, right: dict[str, set[str]]
) -> list[str | int | float | None]:
    from methods.retrieval.search import Corpus
    from methods.retrieval.sparse import from_arrays

    block = yaml.safe_load((ROOT / "params.yaml").read_text())["releaf"]
    params, encoder = FeedbackParams(**block["feedback"]), IndexParams(**block["index"])
    retrieve = RetrieveParams(**block["retrieve"] | {"w_dense": weight})
    vectors, passages = np.stack(list(read["vectors"]["vector"])).astype(float), read["passages"]
    corpus = Corpus(from_arrays(index.bm25, index.vocabulary.terms), vectors)
    shares = [weight, *retrieve.grid]
    first = first_cards(SearchSetup(corpus, passages, retrieve, encoder), list(right), shares)
    made = feedback(
        log(first[weight], passages, right), passages, read["items"], read["cards"], index,
        params=params, retrieve=retrieve, index=encoder,
    )  # fmt: skip
    then = made.feedback.patch[0].now if made.feedback.patch else weight
    now_right, then_right = (
        float(np.mean([card in cards for card, cards in zip(first[share], right.values(), strict=True)]))
        for share in (weight, then)
    )
    proposed = then if made.feedback.patch else "nothing"
    return [weight, len(right), len(made.hard_negatives), proposed, now_right, then_right]


def log(first: list[str], passages: pd.DataFrame, right: dict[str, set[str]]) -> pd.DataFrame:
    """What the service would have written: a row a question, its thumb by who knows the right cards."""
    passage_of = passages.drop_duplicates("card_id").set_index("card_id")["passage_id"]
    return pd.DataFrame(
        {
            "answer_id": [str(at) for at in range(len(first))],
            "question": list(right),
            "card_id": first,
            "passage_id": passage_of.loc[first].to_numpy(),
            "rating": [1 if card in cards else -1 for card, cards in zip(first, right.values(), strict=True)],
        }
    )
