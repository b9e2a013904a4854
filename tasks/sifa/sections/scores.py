"""Section of the report on scores: the architecture beside every baseline."""

from __future__ import annotations

from tasks.report.blocks import Block, Cell, Prose, Section, count, grid
from tasks.sifa.contracts.evaluate import Evaluation, SetScores
from tasks.sifa.sections.words import change, set_name, variant_name

WHOLE = "sifa"


def finding(evaluate: Evaluation) -> list[str]:
    """Return, for each set, the architecture beside the strongest baseline."""
    sentences = []
    for name, scores in evaluate.sets.items():
        if not scores.strongest:
            continue
        ours, best = (scores.variants[variant].score for variant in (WHOLE, scores.strongest))
        verdict = {"gain": "ahead of", "loss": "behind", "not shown": "not clearly different from"}[
            scores.gains[scores.strongest].verdict
        ]
        sentences.append(
            f"{set_name(name).capitalize()}, {scores.measure}: the architecture has {ours:.3f}, {verdict} "
            f"the "
            f"strongest baseline, {variant_name(scores.strongest)}, with {best:.3f}."
        )
    return sentences


def section(evaluate: Evaluation) -> Section:
    """Return the section: every variant of each set, its size and calibration."""
    blocks: list[Block] = [
        Prose(
            "Every variant of a set is trained on the same rows, with the same seeds, and scored on the same "
            "test rows. The strongest baseline is the one with the best test score, which favours it."
        )
    ]
    for name, scores in evaluate.sets.items():
        blocks.append(_table(name, scores))
    hint = "Accuracy or error, size and seconds of every model on every set."
    return Section("scores", "Scores beside every baseline", tuple(blocks), hint)


def _table(name: str, scores: SetScores) -> Block:
    accuracy = scores.measure == "accuracy"
    order = sorted(scores.variants, key=lambda v: scores.variants[v].score * (-1 if accuracy else 1))
    return grid(
        f"{set_name(name).capitalize()}: {scores.measure} on test rows after {count(scores.train_rows)} "
        f"training "
        "rows, mean over seeds. The gain is that of the architecture over a baseline, in points or percent "
        "of "
        "the error, with its 95% interval. Log loss is in nats; calibration error has 15 bins of equal mass.",
        (
            "variant", "score", "spread", "gain", "log loss", "Brier", "calibration", "parameters",
            "operations", "seconds",
        ),
        [
            (
                variant_name(variant),
                Cell(f"{value.score:.3f}", best=variant == order[0]),
                f"{value.spread:.3f}",
                change(scores.gains[variant]) if variant in scores.gains else "–",
                *("–" if v is None else f"{v:.3f}" for v in (value.log_loss, value.brier, value.ece)),
                count(value.parameters),
                count(value.flops),
                f"{value.seconds:.1f}",
            )
            for variant, value in ((v, scores.variants[v]) for v in order)
        ],
    )  # fmt: skip
