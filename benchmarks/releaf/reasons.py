"""What the rules for strange things, cited cards and warnings rest on: names that are not of the test split.

Read from `data/releaf`, where `statewright run releaf` has put it. Each table is for the bound that the
assistant uses and for others beside it, so that it can be seen what another one would have done.
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

from benchmarks.parts import Found, Skipped
from releaf.answers import LEAST_KNOWN, LEAST_NEAR, Rules, score_cards, stream_shares
from releaf.cautions import HAZARDOUS, LEAST
from releaf.knowledge import Knowledge, assemble
from tasks.releaf.evaluate import rules_of
from tasks.releaf.params import EvaluateParams, RetrieveParams
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("items", "cards", "passages", "vectors", "names")


@dataclass(frozen=True)
class Asked:
    """One name in one city: its streams, the cards that rest on it, and what was found."""

    city: str
    split: str
    streams: frozenset[str]
    cards: frozenset[str]
    nearest: float
    scores: NDArray[np.float64]
    shares: dict[str, float]

    @property
    def stream(self) -> str:
        """The likeliest one."""
        return next(iter(self.shares))

    @property
    def hazardous(self) -> bool:
        """Whether the list gives it to the stream of what is hazardous."""
        return HAZARDOUS[self.city] in self.streams


def tables(repeat: int) -> Found:
    """One table a rule."""
    folder = ROOT / "data/releaf"
    if not (folder / "evaluate.json").is_file():
        yield Skipped(f"{folder} has no evaluate.json: `statewright run releaf-evaluate`")
        return
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["releaf"]
    temperature = json.loads((folder / "evaluate.json").read_text("utf-8"))["temperature"]
    rules = rules_of(EvaluateParams(**params["evaluate"]), RetrieveParams(**params["retrieve"]), temperature)
    known = _known(folder, read)
    asked = list(ask(known, read, rules))
    dev = [one for one in asked if one.split == "dev"]
    yield strange(dev)
    yield cited(known, asked, rules.cards)
    yield warned(dev)


def _known(folder: Path, read: dict[str, pd.DataFrame]) -> Knowledge:
    return assemble(
        **read | {"vectors": np.stack(list(read["vectors"]["vector"]))},
        bm25=load_file(folder / "bm25.safetensors"),
        terms=json.loads((folder / "vocabulary.json").read_text("utf-8"))["terms"],
        stream_arrays=load_file(folder / "stream_model.safetensors"),
        streams=json.loads((folder / "streams.json").read_text("utf-8"))["streams"],
    )


def ask(known: Knowledge, read: dict[str, pd.DataFrame], rules: Rules) -> Iterator[Asked]:
    """Every name of train and dev, once in each city."""
    of_item = read["cards"].explode("item_ids").groupby("item_ids")["card_id"].agg(frozenset).to_dict()
    vector_of = read["names"].set_index("name")["vector"]
    items = read["items"][read["items"]["split"] != "test"]
    for (city, split), part in items.groupby(["city", "split"]):
        rows = list(part.groupby("name"))
        names = [name for name, _ in rows]
        vectors = np.stack(list(vector_of.loc[names])).astype(np.float64)
        scores, _ = score_cards(known, names, vectors, rules)
        shares = stream_shares(known, city, names, vectors, scores, rules)
        nearest = (vectors @ known.corpus.vectors.T).max(axis=1)
        for (_, same), near, row, share in zip(rows, nearest, scores, shares, strict=True):
            cards = frozenset[str]().union(*(of_item.get(item, frozenset()) for item in same["item_id"]))
            yield Asked(city, split, frozenset(same["stream"]), cards, float(near), row, share)


def strange(asked: list[Asked]) -> BenchmarkTable:
    """How right names are whose nearest passage is far, by how far."""

    def row(least: float) -> list[str | int | float | None]:
        far = [one for one in asked if one.nearest < least]
        right = sum(one.stream in one.streams for one in far)
        mean = float(np.mean([one.shares[one.stream] for one in far])) if far else None
        return [least, len(asked), len(far), right, mean]

    return BenchmarkTable(
        name="strange",
        title=f"Dev names whose nearest passage has a cosine below a bound ({LEAST_KNOWN} is used).",
        columns=["cosine below", "names", "strange", "right bin", "mean probability"],
        rows=[row(least) for least in (0.25, 0.3, LEAST_KNOWN, 0.4, 0.5)],
        decimals={"cosine below": 2, "mean probability": 2},
    )


def cited(known: Knowledge, asked: list[Asked], heard: int) -> BenchmarkTable:
    """Cards that name a listed name's bin, by their score beside the first: how many rest on that name."""
    found = [pair for one in asked if (pair := _card(known, one, heard))]
    ranges = [(0.0, 0.6), (0.6, LEAST_NEAR), (LEAST_NEAR, 0.9), (0.9, 1.0), (1.0, np.inf)]
    parts = [[right for ratio, right in found if low <= ratio < high] for low, high in ranges]
    label = [f"{low} to {high}" if np.isfinite(high) else "the first itself" for low, high in ranges]
    return BenchmarkTable(
        name="cited",
        title=f"Cards that name the bin of a name of train or dev, by score beside the first card "
        f"(from {LEAST_NEAR} on they are cited).",
        columns=["score", "cards", "of the name asked"],
        rows=[[name, len(part), sum(part)] for name, part in zip(label, parts, strict=True)],
    )


def _card(known: Knowledge, one: Asked, heard: int) -> tuple[float, bool] | None:
    """Score of the card that would be cited for a listed name, beside the first; does it rest on the name."""
    order = [k for k in np.argsort(-one.scores, kind="stable") if np.isfinite(one.scores[k])]
    near = [k for k in order if one.city in known.cards[k].streams][:heard]
    stream = min(one.streams)
    for k in near:
        if stream in known.cards[k].streams[one.city]:
            return float(one.scores[k] / one.scores[order[0]]), known.cards[k].card_id in one.cards
    return None


def warned(asked: list[Asked]) -> BenchmarkTable:
    """Hazardous dev names that get another bin, and warnings, by the share from which on one is warned."""
    other = [one for one in asked if one.stream != HAZARDOUS[one.city]]
    missed = [one for one in other if one.hazardous]

    def row(least: float) -> list[str | int | float | None]:
        told = [one for one in other if one.shares.get(HAZARDOUS[one.city], 0.0) >= least]
        caught = sum(one.hazardous for one in told)
        return [least, sum(one.hazardous for one in asked), len(missed), caught, len(told) - caught]

    return BenchmarkTable(
        name="warned",
        title=f"Hazardous dev names with another bin, and warnings by the hazardous share ({LEAST} is used).",
        columns=["share from", "hazardous", "with another bin", "of them warned of", "other warnings"],
        rows=[row(least) for least in (0.05, LEAST, 0.2, 0.3)],
        decimals={"share from": 2},
    )
