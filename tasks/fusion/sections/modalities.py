"""Section of the report on the modalities: importance, absence, attention."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from methods.attention.graph import AttentionGraph
from tasks.fusion.contracts.fuse import Attention, Evaluation, ModalityFigures, OperatorDetails
from tasks.fusion.sections.figures import attention as graph_drawing
from tasks.fusion.sections.figures import scores as draw
from tasks.fusion.sections.words import difference, score_name
from tasks.report.blocks import Block, Figure, Picture, Prose, Section, grid, joined, signed
from tasks.report.drawing import svg


def finding(evaluate: Evaluation) -> list[str]:
    """Return the sentences on the most useful modality, and on those without use."""
    figures = evaluate.modalities
    drops = {name: part.permuted for name, part in figures.items()}
    most = max(drops, key=lambda name: drops[name].mean)
    idle = [name for name, drop in drops.items() if drop.low <= 0]
    if drops[most].low > 0:
        first = f"“{most}” matters most: exchanging its rows costs {difference(drops[most])} points."
        first += f" No sure effect: {joined(idle)}." if idle else ""
    else:
        first = "No modality surely matters: exchanging the rows of any of them costs nothing for sure."
    complete = evaluate.scores[evaluate.chosen]
    worst = max(figures, key=lambda name: figures[name].absent)
    return [
        first,
        f"If one modality is absent at test, the score falls from {complete:.3f} to "
        f"{complete - figures[worst].absent:.3f} at worst (without “{worst}”).",
    ]


def figure(evaluate: Evaluation, classes: list[str]) -> Figure:
    """Return the figure of what each modality adds, and which one matters most."""
    names, parts = _ordered(evaluate)
    table = pd.DataFrame(
        {
            "permuted": [part.permuted.mean for part in parts],
            "permuted_low": [part.permuted.low for part in parts],
            "permuted_high": [part.permuted.high for part in parts],
            "absent": [part.absent for part in parts],
            "alpha": [np.nan if part.importance is None else part.importance for part in parts],
        },
        index=names,
    )
    label = f"drop of the {score_name(classes)}"
    alt = f"{label.capitalize()} by modality: " + joined(
        f"{name} {part.permuted.mean:.3f} exchanged, {part.absent:.3f} absent"
        for name, part in zip(names, parts, strict=True)
    )
    picture = svg(
        "modalities", (8.2, 1.2 + 0.5 * len(names)), alt, partial(draw.losses, table=table, label=label)
    )
    sure = parts[0].permuted.low > 0
    return Figure(
        (Picture(picture),),
        f"{label.capitalize()} when the rows of a modality are exchanged among the test rows (95% intervals "
        "over resplits), and when it is absent."
        + (" Grey: the weight alpha that the fusion gives it." if parts[0].importance is not None else ""),
        title=f"“{names[0]}” matters most" if sure else "No modality surely matters",
    )


def section(evaluate: Evaluation, attention: Attention, classes: list[str]) -> Section:
    """Return the section: permutation drops, absence, and the attention graph."""
    complete = evaluate.scores[evaluate.chosen]
    names, parts = _ordered(evaluate)
    blocks: list[Block] = [
        Prose(
            "Two questions are asked of the chosen operator. What does a modality add? Its rows are "
            "exchanged among the test rows, so that it keeps its values and loses its meaning. What if it is "
            "not there? It is absent in every test row, while the model was trained with it. A modality that "
            "repeats another one adds little, whatever it holds."
        ),
        grid(
            f"Each modality. With all of them, the {score_name(classes)} of “{evaluate.chosen}” is "
            f"{complete:.3f}. “Alone”: score of this modality only. “Adds”: points that its exchange costs. "
            "“Absent”: score without it. “Imputed”: what its absence costs all columns in one linear model "
            "with the means in place of the missing cells.",
            ("modality", "alone", "adds", "absent", "absence costs", "imputed"),
            [
                (
                    name,
                    f"{part.alone:.3f}",
                    difference(part.permuted),
                    f"{complete - part.absent:.3f}",
                    signed(100 * part.absent, 1),
                    "–" if part.absent_early is None else signed(100 * part.absent_early, 1),
                )
                for name, part in zip(names, parts, strict=True)
            ],
        ),
        *_attention(attention, evaluate.chosen),
    ]
    return Section(
        "modalities",
        "What each modality is worth",
        tuple(blocks),
        "Each of them alone, exchanged and absent, and what the model attends to.",
    )


def _ordered(evaluate: Evaluation) -> tuple[list[str], list[ModalityFigures]]:
    """Return the modalities with their figures, the one that adds most first."""
    names = sorted(evaluate.modalities, key=lambda name: -evaluate.modalities[name].permuted.mean)
    return names, [evaluate.modalities[name] for name in names]


def attention_graph(modalities: list[str], details: OperatorDetails) -> AttentionGraph:
    """Return the weights alpha and the attention below the modalities as a graph.

    The result reads the modalities; each of them reads all modalities, or its own components. A row is
    scaled to the sum 1: rows of data without a modality give it no weight.
    """
    matrices = [np.array(weights) for weights in details.levels]
    if not matrices or len(matrices[0]) != 1:
        matrices.insert(0, np.array([[details.importance[name] for name in modalities]]))
    levels: list[tuple[str, ...]] = [("result",)]
    for weights in matrices:
        same = weights.shape[1] == len(modalities)
        levels.append(tuple(modalities) if same else _components(levels[-1], weights))
    return AttentionGraph(tuple(levels), tuple(_scaled(weights) for weights in matrices))


def _components(parents: tuple[str, ...], weights: np.ndarray) -> tuple[str, ...]:
    """Name each node after the only parent that reads it, with its number."""
    owner = weights.argmax(axis=0)
    return tuple(
        f"{parents[parent]} {int((owner[:place] == parent).sum()) + 1}" for place, parent in enumerate(owner)
    )


def _scaled(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights, dtype=float), where=total > 0)


def _attention(attention: Attention, chosen: str) -> list[Block]:
    """Return the figure of the chosen operator if it attends, else of the deepest."""
    candidates = {name: part for name, part in attention.operators.items() if part.levels}
    if not candidates:
        return [Prose("No compared operator has attention, so there is no attention graph.")]
    name = max(candidates, key=lambda key: (key == chosen, len(candidates[key].levels)))
    details = candidates[name]
    graph = graph_drawing.largest(attention_graph(attention.modalities, details))
    shares = sorted(zip(graph.levels[1], graph.adjacency[0][0], strict=True), key=lambda pair: -pair[1])
    alt = "Attention of the result: " + joined(f"{share:.2f} to {node}" for node, share in shares)
    most = max(len(names) for names in graph.levels)
    picture = svg("attention", (8.2, 0.8 + 0.42 * most), alt, partial(graph_drawing.draw, graph=graph))
    which = "the chosen operator" if name == chosen else "which was compared but not chosen"
    blocks: list[Block] = [
        Figure(
            (Picture(picture),),
            f"Attention of “{name}” ({which}) from the result to the modalities"
            + (", and from these to what they read" if len(graph.levels) > 2 else "")
            + "; the width of a line is the mean weight. Weights say where a model looks, not what causes "
            "the answer: compare them with the drops above.",
        )
    ]
    if details.entropy:
        values = joined(f"{query} {value:.2f}" for query, value in details.entropy.items())
        blocks.append(
            Prose(f"Entropy H/log n of the attention, 0 for one modality and 1 for all equally: {values}.")
        )
    return blocks
