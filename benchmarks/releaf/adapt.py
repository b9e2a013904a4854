"""Measure the adapter on the full tier, with texts that are not included.

This is the stage `releaf-adapt` with `texts` set to the external data `text`, see
`benchmarks.parts.external_data`. WikiText-2 measures forgetting. Cards, passages and items are read from
`data/releaf` (``statewright run releaf-index``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from benchmarks.parts import Omission, Tables, external_data
from tasks.releaf.params import AdaptParams
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

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


def tables(repeat: int) -> Tables:
    """Yield perplexities, shares of correct answers and costs, over `repeat` seeds."""
    folder = ROOT / "data/releaf"
    if absent := [path for path in (folder / f"{name}.parquet" for name in TABLES) if not path.is_file()]:
        yield Omission(f"{absent[0]} is missing; run `statewright run releaf-index`")
        return
    paths = [external_data(f"text/{name}.parquet") for name in TEXTS]
    if missing := [path for path in paths if isinstance(path, Omission)]:
        yield missing[0]
        return
    texts = external_data("text")
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    block = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["releaf"]["adapt"]
    summaries, costs = [], []
    for seed in range(repeat):
        params = AdaptParams.model_validate(block | {"texts": str(texts), "seed": seed})
        summary, cost = _train(read, params)
        summaries.append(summary)
        costs.append(cost)
    yield perplexities(summaries)
    yield answers(summaries)
    yield BenchmarkTable(
        name="training",
        title="Training of the adapter, one row per seed; CPU seconds include the evaluation.",
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


def perplexities(summaries: list[AdaptSummary]) -> BenchmarkTable:
    """Return mean perplexities, one row per kind of text; an increase is a loss."""
    rows: list[list[TextOrNumber]] = []
    for name in summaries[0].perplexity:
        before, after = (
            _mean([getattr(summary.perplexity[name], part) for summary in summaries]) for part in _PARTS
        )
        rows.append([name, before, after, 100 * (after / before - 1)])
    return BenchmarkTable(
        name="perplexity",
        title=f"Perplexity without and with the adapter of {summaries[0].model}, {_seeds(summaries)}.",
        columns=["text", "before", "after", "change, %"],
        rows=rows,
        decimals={"before": 2, "after": 2, "change, %": 1},
    )


def answers(summaries: list[AdaptSummary]) -> BenchmarkTable:
    """Return shares of held-out questions, without and with the adapter, by answer."""
    rows: list[list[TextOrNumber]] = []
    for label, key in SHARES.items():
        shares = [
            _mean([getattr(getattr(summary, f"answers_{part}"), key) for summary in summaries])
            for part in _PARTS
        ]
        rows.append([label, *shares])
    for name in summaries[0].baselines:
        share = _mean([summary.baselines[name] for summary in summaries])
        rows.append([f"right bin without a model: {name}", share, share])
    questions = summaries[0].answers_after.asked
    return BenchmarkTable(
        name="answers",
        title=f"Shares of {questions} held-out questions without and with the adapter, {_seeds(summaries)}.",
        columns=["share", "before", "after"],
        rows=rows,
        decimals={"before": 2, "after": 2},
    )


_PARTS = ("before", "after")


def _train(read: dict[str, pd.DataFrame], params: AdaptParams) -> tuple[AdaptSummary, list[TextOrNumber]]:
    from statewright.contracts import Progress
    from tasks.releaf.adapt import adapt

    began = time.process_time()
    result = adapt(read["cards"], read["passages"], read["items"], params=params, progress=Progress())
    seconds, summary = time.process_time() - began, result.adapt
    loss = float(result.adapt_history["validation_loss"].min())
    sizes = [summary.rank, summary.alpha, summary.trainable, summary.steps, summary.best_step]
    return summary, [params.seed, *sizes, loss, seconds]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _seeds(summaries: list[AdaptSummary]) -> str:
    return "one seed" if len(summaries) == 1 else f"mean of {len(summaries)} seeds"
