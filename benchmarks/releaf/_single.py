"""Measure a single answer by step and in total: one thread, no batching, no HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.parts import Omission
from benchmarks.releaf.vision import ROOT, photographs
from tasks.report.benchmark import BenchmarkTable

if TYPE_CHECKING:
    from service.assistant import Assistant

SPECIFIED = {"/v1/look": 50, "/v1/search": 200, "/v1/ideas": 30, "/v1/ask": 500, "/v1/write": 500}
"""Milliseconds in specification 2 §7.5 and §9: vision, retrieval, recommendation, total."""
CITY = "Toronto"
"""City of the questions about photographs."""

Step = tuple[str, Callable[..., Any], list[tuple[Any, ...]], int | None]
"""Name, function, arguments of each call, and the specified milliseconds."""


def single(bundle: Path, names: list[tuple[str, str]], times: int = 100) -> BenchmarkTable:
    """Return the table of single answers, with ten sentences, because they are slow."""
    from service.assistant import load_assistant
    from service.bundle import read_settings
    from service.writing import Writer

    models = ROOT / ".statewright/models"
    assistant = load_assistant(bundle, threads=1, cache=models)
    writer = Writer(bundle, read_settings(bundle), models)
    steps = [*of_words(assistant, names[:times])]
    path = photographs()
    if not isinstance(path, Omission):
        table = pd.read_parquet(path)
        steps += of_photographs(assistant, table[table["split"] == "test"]["image"].tolist()[:times])
    steps += of_sentences(assistant, writer, names[:times])
    return BenchmarkTable(
        name="single",
        title="One answer at a time, step by step and in all, one thread.",
        columns=["step", "p50 ms", "p95 ms", "times", "specified ms"],
        rows=[_row(*step) for step in steps],
        decimals={"p50 ms": 2, "p95 ms": 2},
    )


def of_words(assistant: Assistant, names: list[tuple[str, str]]) -> Iterable[Step]:
    """Yield the steps of an answer to a name."""
    from releaf.answers import ideas_of, names_alike
    from releaf.names import asked_for
    from service.assistant import as_record

    known = assistant.knowledge
    vectors = [assistant.encode([name])[0] for name, _ in names]
    calls = [(name, city, vector) for (name, city), vector in zip(names, vectors, strict=True)]

    def ideas(name: str, city: str, vector: Any) -> Any:
        return ideas_of(known, city, names_alike(known.lists[city], vector))

    def in_all(name: str, city: str) -> Any:
        item = asked_for(name)
        return as_record(assistant.answer_text(item, city, assistant.encode([item])[0]))

    yield "encode the question", assistant.encode, [([name],) for name, _ in names], None
    yield "search, weigh, cite", assistant.answer_text, list(calls), SPECIFIED["/v1/search"]
    yield "recommend by the graph", ideas, list(calls), SPECIFIED["/v1/ideas"]
    yield "an answer to words, in all", in_all, list(names), SPECIFIED["/v1/ask"]


def of_photographs(assistant: Assistant, contents: list[bytes]) -> Iterable[Step]:
    """Yield the steps of an answer to a photograph without a text."""
    from methods.vision.pictures import decode
    from service.assistant import as_record

    def in_all(content: bytes) -> Any:
        guess = assistant.recognize(assistant.observe([decode(content)])[0], CITY)
        return as_record(assistant.answer_photograph(guess, CITY, assistant.encode([guess.item])[0]), guess)

    calls = [(content,) for content in contents]
    pictures = [([decode(content)],) for content in contents]
    yield "decode the photograph", decode, list(calls), None
    yield "name the material", assistant.observe, list(pictures), SPECIFIED["/v1/look"]
    yield "an answer to a photograph, in all", in_all, list(calls), SPECIFIED["/v1/ask"]


def of_sentences(
    assistant: Assistant, writer: Any, names: list[tuple[str, str]], times: int = 10
) -> Iterable[Step]:
    """Yield the steps of a sentence.

    Only answers whose confidence is not low are used, because no sentence is written for the others.
    """

    def answer(name: str, city: str) -> Any:
        return assistant.answer_text(name, city, assistant.encode([name])[0])

    def write(name: str, known_answer: Any) -> Any:
        return writer.write(assistant.knowledge, name, known_answer, temperature=0.0, seed=0)

    def in_all(name: str, city: str) -> Any:
        return write(name, answer(name, city))

    confident = [(name, city) for name, city in names if answer(name, city).level != "low"][:times]
    answers = [(name, answer(name, city)) for name, city in confident]
    write(*answers[0])  # The first answer loads the model.
    yield "write a sentence", write, list(answers), None
    yield "an answer with a sentence, in all", in_all, list(confident), SPECIFIED["/v1/write"]


def _row(
    name: str, function: Callable[..., Any], calls: list[tuple[Any, ...]], limit: int | None
) -> list[Any]:
    durations = []
    for arguments in calls:
        started = time.perf_counter()
        function(*arguments)
        durations.append(1000 * (time.perf_counter() - started))
    return [name, *np.quantile(durations, (0.5, 0.95)).tolist(), len(durations), limit]
