"""Stage sifa-evaluate: ablations, baselines, robustness and calibration.

Every figure is of test rows, but `validation`, which is of training rows only and which sifa-feedback reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tasks.sifa.contracts.evaluate import (
    Ablation,
    Efficiency,
    EvaluateOutputs,
    Evaluation,
    Robustness,
    SetScores,
    SetValidation,
    Shifted,
    ValidationMetrics,
    VariantScores,
)
from tasks.sifa.contracts.rows import PreprocessMetrics, Rows
from tasks.sifa.distance import by_similarity
from tasks.sifa.params import EvaluateParams, MatrixParams
from tasks.sifa.results import (
    BySeed,
    Results,
    difference,
    improvement,
    is_accuracy,
    mean_of,
    read_results,
    seeds_interval,
)

WHOLE, PLAIN, NO_SYMMETRY = "sifa", "plain", "no-symmetry"
SPECIFICATION: Mapping[str, float | None] = {
    NO_SYMMETRY: -2.3,
    "no-information": -1.8,
    "no-symplectic": -3.1,
    "no-renormalisation": -1.5,
    "no-metric": None,
}
"""Change of the accuracy in points by specification 4 §6.4, which has no figure for the metric."""
FALSE_SYMMETRY = "sixnine"
GRAPHS = "solubility"
"""Set of molecular graphs whose test molecules have other scaffolds."""
SIZES = ("digits", "digits500")
"""One set with few and with more training rows."""


def evaluate(
    train: Path,
    preprocess: PreprocessMetrics,
    solubility: Rows,
    *,
    params: EvaluateParams,
    matrix: MatrixParams,
) -> EvaluateOutputs:
    """Compare the cells of the matrix."""
    results = read_results(train, matrix)
    false = results.get(FALSE_SYMMETRY, {})
    return EvaluateOutputs(
        evaluate=Evaluation(
            sets={name: _set_scores(name, results, preprocess, params) for name in results},
            ablations={
                name: _ablation(name, results, params) for name in SPECIFICATION if _has(results, name)
            },
            attack={name: attack for name, variants in results.items() if (attack := _attack(variants))},
            shift={name: shift for name, variants in results.items() if (shift := _shift(variants))},
            similarity=(
                by_similarity(results[GRAPHS], WHOLE, _baselines(results[GRAPHS]), solubility, params)
                if WHOLE in results.get(GRAPHS, {})
                else None
            ),
            efficiency=_efficiency(results, preprocess),
            false_symmetry=(
                difference(false[NO_SYMMETRY], false[WHOLE], params)
                if {NO_SYMMETRY, WHOLE} <= set(false)
                else None
            ),
        ),
        validation=_validation(results),
    )


def _has(results: Results, variant: str) -> bool:
    return any({WHOLE, variant} <= set(variants) for variants in results.values())


def _set_scores(
    name: str, results: Results, preprocess: PreprocessMetrics, params: EvaluateParams
) -> SetScores:
    variants = results[name]
    scores = {variant: _variant_scores(cells) for variant, cells in variants.items()}
    baselines = _baselines(variants)
    better = max if is_accuracy(variants[WHOLE]) else min
    return SetScores(
        measure=next(iter(variants[WHOLE].values())).scores.measure,
        train_rows=preprocess.sets[name].train,
        variants=scores,
        strongest=better(baselines, key=lambda variant: scores[variant].score) if baselines else "",
        gains={variant: difference(variants[variant], variants[WHOLE], params) for variant in baselines},
    )


def _baselines(variants: Mapping[str, BySeed]) -> list[str]:
    return [variant for variant in variants if variant != WHOLE and variant not in SPECIFICATION]


def _variant_scores(cells: BySeed) -> VariantScores:
    scores = [cell.scores for cell in cells.values()]
    values = [score.score for score in scores]
    return VariantScores(
        score=round(float(np.mean(values)), 5),
        spread=round(float(np.std(values, ddof=1)), 5),
        train_score=round(float(np.mean([score.train_score for score in scores])), 5),
        log_loss=mean_of([score.log_loss for score in scores]),
        brier=mean_of([score.brier for score in scores]),
        ece=mean_of([score.ece for score in scores]),
        parameters=round(np.mean([score.parameters for score in scores])),
        flops=round(np.mean([score.flops for score in scores])),
        seconds=round(float(np.mean([score.seconds for score in scores])), 3),
        seeds=len(scores),
    )


def _ablation(variant: str, results: Results, params: EvaluateParams) -> Ablation:
    """Return the change by removing one part of the architecture, for each set."""
    present = {name: cells for name, cells in results.items() if {WHOLE, variant} <= set(cells)}
    # The symmetry of the last set is false: there, removing it is an improvement by design.
    pooled = [
        [cells[variant][seed].scores.score - cells[WHOLE][seed].scores.score for seed in cells[variant]]
        for name, cells in present.items()
        if is_accuracy(cells[WHOLE]) and name != FALSE_SYMMETRY
    ]
    return Ablation(
        specification=SPECIFICATION[variant],
        changes={name: difference(cells[WHOLE], cells[variant], params) for name, cells in present.items()},
        accuracy=seeds_interval((100 * np.mean(pooled, axis=0)).tolist()) if pooled else None,
    )


def _attack(variants: Mapping[str, BySeed]) -> dict[str, Robustness]:
    return {
        name: _robustness(cells, variants.get(PLAIN) if name != PLAIN else None)
        for name, cells in variants.items()
        if all(cell.scores.attack for cell in cells.values())
    }


def _robustness(cells: BySeed, plain: BySeed | None) -> Robustness:
    scores = [cell.scores for cell in cells.values()]
    radii = [radius for radius in scores[0].attack if float(radius)]
    gain = {}
    for radius in radii if plain else ():
        gain[radius] = seeds_interval(
            [100 * (cells[s].scores.attack[radius] - plain[s].scores.attack[radius]) for s in cells if plain]
        )
    by_gradient = [score.attack_gradient for score in scores]
    masked = [
        float(np.mean([score.attack_gradient[radius] - score.attack[radius] for score in scores]))
        for radius in (radii if all(by_gradient) else ())
    ]
    return Robustness(
        clean=round(float(np.mean([score.attack["0"] for score in scores])), 5),
        attacked={
            radius: round(float(np.mean([score.attack[radius] for score in scores])), 5) for radius in radii
        },
        gain=gain,
        masked=round(max(masked), 5) if masked else None,
    )


def _shift(variants: Mapping[str, BySeed]) -> dict[str, dict[str, Shifted]]:
    """Return the scores under each shift, by variant and name of the shift."""
    shifted: dict[str, dict[str, Shifted]] = {}
    for variant, cells in variants.items():
        scores = [cell.scores for cell in cells.values()]
        combine = improvement("accuracy" if is_accuracy(cells) else "error")
        for name in scores[0].shift:
            before = np.array([_error(score.measure, score.score) for score in scores])
            after = np.array([_error(score.measure, score.shift[name]) for score in scores])
            shifted.setdefault(variant, {})[name] = Shifted(
                score=round(float(np.mean([score.shift[name] for score in scores])), 5),
                change=round(float(np.mean(combine(before, after))), 5),
            )
    return shifted


def _error(measure: str, score: float) -> float:
    return 1 - score if measure == "accuracy" else score


def _efficiency(results: Results, preprocess: PreprocessMetrics) -> dict[str, Efficiency]:
    """Return errors by training rows, and the rows that match the architecture."""
    from methods.sifa.intervals import equivalent_rows

    if not set(SIZES) <= set(results) or any(WHOLE not in results[name] for name in SIZES):
        return {}
    rows = (preprocess.sets[SIZES[0]].train, preprocess.sets[SIZES[1]].train)

    def error(name: str, variant: str) -> float:
        return 1 - float(np.mean([cell.scores.score for cell in results[name][variant].values()]))

    target = error(SIZES[0], WHOLE)
    table = {}
    for variant in results[SIZES[0]]:
        if variant not in results[SIZES[1]]:
            continue
        errors = (error(SIZES[0], variant), error(SIZES[1], variant))
        needed = equivalent_rows(rows, errors, target) if min(*errors, target) > 0 else np.inf
        table[variant] = Efficiency(
            rows=rows,
            errors=(round(errors[0], 5), round(errors[1], 5)),
            equivalent=round(needed, 1) if np.isfinite(needed) else None,
        )
    return table


def _validation(results: Results) -> ValidationMetrics:
    """Return losses of held-out training rows, and the course of the training loss."""
    sets = {}
    for name, variants in results.items():
        scores = [cell.scores for cell in variants.get(WHOLE, {}).values()]
        losses = [score.validation for score in scores if score.validation is not None]
        if not losses:
            continue
        loss = float(np.mean(losses))
        course = [_course(score.losses) for score in scores]
        trained = 1 - float(np.mean([score.train_score for score in scores]))
        sets[name] = SetValidation(
            loss=round(loss, 5),
            gap=round(loss - trained, 5) if scores[0].measure == "accuracy" else None,
            rises=round(float(np.mean([rises for rises, _ in course])), 5),
            late=round(float(np.mean([late for _, late in course])), 5),
        )
    mean = float(np.mean([figures.loss for figures in sets.values()])) if sets else 0.0
    return ValidationMetrics(loss=round(mean, 5), sets=sets)


def _course(losses: list[float]) -> tuple[float, float]:
    """Return rises in the second half and the late fall, over the whole fall."""
    curve = np.asarray(losses)
    fall = curve[0] - curve.min() if len(curve) > 1 else 0.0
    if fall <= 0:
        return 0.0, 0.0
    rises = np.clip(np.diff(curve[len(curve) // 2 :]), 0, None).sum() / fall
    tenth = max(1, len(curve) // 10)
    return float(rises), float(max(curve[-1 - tenth] - curve[-1], 0) / fall)
