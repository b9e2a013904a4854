"""Opening of the report: three plain sentences and three figures."""

from __future__ import annotations

from tasks.emotion.causal import CausalOutputs
from tasks.emotion.changepoint import ChangepointOutputs
from tasks.emotion.evaluate import EvaluateOutputs
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.report.blocks import count

STEADY = 0.05
"""Largest change of a yearly mean (0 to 1) that the opening calls about the same."""


def sentences(
    preprocess: PreprocessOutputs,
    changepoint: ChangepointOutputs,
    causal: CausalOutputs,
    evaluate: EvaluateOutputs,
) -> tuple[str, str, str]:
    """Return three sentences for any reader: music, careers, forecasts."""
    return _music(preprocess), _careers(preprocess, changepoint, causal), _forecasts(evaluate)


def _music(preprocess: PreprocessOutputs) -> str:
    """Compare the first and the last ten years of all music."""
    years = preprocess.years
    years = years[(years["source"] == "music") & years["valence_mean"].notna() & (years["n_songs"] > 0)]
    if years.empty:
        return "The data has no yearly means of all music."
    first, last = int(years["year"].min()), int(years["year"].max())
    parts = []
    for name, words in (
        ("acousticness", ("less acoustic", "more acoustic")),
        ("energy", ("calmer", "more energetic")),
        ("valence", ("sadder", "happier")),
    ):
        column = years[f"{name}_mean"]
        start = float(column[years["year"] < first + 10].mean())
        end = float(column[years["year"] > last - 10].mean())
        word = f"about as {words[1].removeprefix('more ')}"
        if name == "valence":
            word = "about as happy or sad"
        if abs(end - start) > STEADY:
            word = words[int(end > start)]
        parts.append(f"{word} ({start:.2f} to {end:.2f})")
    return (
        f"Between the ten years from {first} and the ten years to {last}, recorded music became "
        f"{', '.join(parts[:-1])} and {parts[-1]}, on scales from 0 to 1."
    )


def _careers(preprocess: PreprocessOutputs, changepoint: ChangepointOutputs, causal: CausalOutputs) -> str:
    metrics = changepoint.changepoint.careers
    text = (
        f"Of {count(preprocess.careers['artist_id'].nunique())} artists, {count(metrics.careers)} have "
        f"enough years to look for a change of character, and {count(metrics.changed)} show one that chance "
        "and persistence do not explain"
    )
    scope = causal.causal.granger.get("influencer->follower")
    if scope is not None and scope.significant == 0:
        text += "; no test finds that artists follow the emotion of those who influenced them"
    return f"{text}."


def _forecasts(evaluate: EvaluateOutputs) -> str:
    scores = evaluate.evaluate
    better, surely, measures = (
        sum(getattr(task, name) for task in (scores.audio, scores.lyrics))
        for name in ("beats", "beats_surely", "dimensions")
    )
    gain = 100 * scores.audio.skill_over_best_baseline
    return (
        "How the next year of a career will sound can hardly be predicted: the forecasts are better than the "
        f"best simple rule in {better} of {measures} measures, clearly in {surely}, and save "
        f"{gain:.1f}% of its squared error for sound."
    )
