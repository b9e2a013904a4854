"""The adapter on the full tier: perplexity without and with it, also of texts that do not ship.

The stage `releaf-adapt` with `texts` set to `data/text` in the folder that STATEWRIGHT_SHARED names, or in
`../shared`: WikiText-2 shows what is forgotten. Cards, passages and items are read from `data/releaf`
(``statewright run releaf-index``).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from benchmarks.parts import Found, Skipped
from tasks.releaf.params import AdaptParams
from tasks.report.benchmark import BenchmarkTable

if TYPE_CHECKING:
    from tasks.releaf.adapter.scores import AdaptSummary

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("cards", "passages", "items")
TEXTS = ("waste_answers", "wikitext2_valid_test")
SHARES = {
    "names the right bin": "right_bin",
    "cites the right passage": "cites",
    "shown, names the right bin": "shown_right",
    "shown, grounded": "grounded",
    "refused": "refused",
}


def tables(repeat: int) -> Found:
    """Perplexities, shares of right answers, and what the training took; means over `repeat` seeds."""
    folder, texts = ROOT / "data/releaf", shared_texts()
    if absent := [path for path in (folder / f"{name}.parquet" for name in TABLES) if not path.is_file()]:
        yield Skipped(f"{absent[0]} is not there: `statewright run releaf-index`")
        return
    if absent := [path for path in (texts / f"{name}.parquet" for name in TEXTS) if not path.is_file()]:
        yield Skipped(f"{absent[0]} is not there: name the folder above data by STATEWRIGHT_SHARED")
        return
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    block = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["releaf"]["adapt"]
    found, costs = [], []
    for seed in range(repeat):
        params = AdaptParams.model_validate(block | {"texts": str(texts), "seed": seed})
        summary, cost = _train(read, params)
        found.append(summary)
        costs.append(cost)
    yield perplexities(found)
    yield answers(found)
    yield BenchmarkTable(
        name="training",
        title="The adapter's training, a row a seed; CPU seconds with everything that is judged.",
        columns=[
            "seed",
            "rank",
            "alpha",
            "trained weights",
            "steps",
            "best step",
            "validation loss",
            "CPU s",
        ],
        rows=costs,
        decimals={"CPU s": 0},
    )


def shared_texts() -> Path:
    """Folder of the texts of the full tier."""
    return Path(os.environ.get("STATEWRIGHT_SHARED") or ROOT.parent / "shared") / "data/text"


def perplexities(found: list[AdaptSummary]) -> BenchmarkTable:
    """A row a kind of text, means over the summaries; a change above 0 is a loss."""
    rows = []
    for name in found[0].perplexity:
        before, after = (_mean([getattr(one.perplexity[name], part) for one in found]) for part in _PARTS)
        rows.append([name, before, after, 100 * (after / before - 1)])
    return BenchmarkTable(
        name="perplexity",
        title=f"Perplexity without and with the adapter of {found[0].model}, {_seeds(found)}.",
        columns=["text", "before", "after", "change, %"],
        rows=rows,
        decimals={"before": 2, "after": 2, "change, %": 1},
    )


def answers(found: list[AdaptSummary]) -> BenchmarkTable:
    """Shares of the held-out questions without and with the adapter, and by rules without a model."""
    rows = [
        [label, *(_mean([getattr(getattr(one, f"answers_{part}"), key) for one in found]) for part in _PARTS)]
        for label, key in SHARES.items()
    ]
    for name in found[0].baselines:
        share = _mean([one.baselines[name] for one in found])
        rows.append([f"right bin without a model: {name}", share, share])
    asked = found[0].answers_after.asked
    return BenchmarkTable(
        name="answers",
        title=f"Shares of {asked} held-out questions without and with the adapter, {_seeds(found)}.",
        columns=["share", "before", "after"],
        rows=rows,
        decimals={"before": 2, "after": 2},
    )


_PARTS = ("before", "after")


def _train(
    read: dict[str, pd.DataFrame], params: AdaptParams
) -> tuple[AdaptSummary, list[str | int | float | None]]:
    from tasks.releaf.adapt import adapt

    began = time.process_time()
    made = adapt(read["cards"], read["passages"], read["items"], params=params)
    seconds, one = time.process_time() - began, made.adapt
    loss = float(made.adapt_history["validation_loss"].min())
    return one, [params.seed, one.rank, one.alpha, one.trainable, one.steps, one.best_step, loss, seconds]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _seeds(found: list[AdaptSummary]) -> str:
    return "one seed" if len(found) == 1 else f"mean of {len(found)} seeds"
