"""Section of the report on the search over several aims."""

from __future__ import annotations

from functools import partial

from tasks.emotion.contracts.search import Gain, SearchOutputs
from tasks.emotion.sections.figures import search as draw
from tasks.report.blocks import Figure, Picture, Prose, Section, grid, interval, plural, share, signed
from tasks.report.drawing import svg

TITLE = "Accurate, steady and simple: the choice of a forecaster"


def finding(search: SearchOutputs) -> list[str]:
    """Return the sentence on the knee for the findings."""
    knee = search.search.knee
    return [
        f"A forecaster with {plural(knee.weights, 'weight')}, {share(knee.share)} of all, has "
        f"{share(knee.error)} of the squared error of the artist's mean ({share(knee.error_others)} for "
        "artists that its choice did not use); the most accurate one of the search has "
        f"{share(search.search.best.error)} with {plural(search.search.best.weights, 'weight')}."
    ]


def section(search: SearchOutputs) -> Section:
    """Return the section: the front, its knee, and the strategies compared."""
    metrics = search.search
    knee, best, bayesian = metrics.knee, metrics.best, metrics.bayesian
    alt = (
        f"{plural(len(search.search_front), 'setting')} of a forecaster: the fewer weights, the larger the "
        "error, with the knee marked."
    )
    draw_front = partial(draw.front, table=search.search_front)
    volumes = {name: strategy.hypervolume for name, strategy in metrics.strategies.items()}
    compared = (
        f"Hypervolume of three strategies by seed, and the smallest error in {bayesian.trials} trials of a "
        "search by expected improvement."
    )
    draw_strategies = partial(
        draw.strategies, volumes=volumes, trials=search.search_trials, random=bayesian.random
    )
    rows = [
        (
            "knee", f"{knee.weights}", f"{knee.error:.3f}", f"{knee.error_others:.3f}", f"{knee.step:.3f}",
            f"{knee.step_others:.3f}",
        ),
        (
            "most accurate", f"{best.weights}", f"{best.error:.3f}", f"{best.error_others:.3f}",
            f"{best.step:.3f}", f"{best.step_others:.3f}",
        ),
    ]  # fmt: skip
    return Section(
        "search",
        TITLE,
        (
            Prose(
                "Three aims pull a forecaster of an artist's next year apart. It should be accurate: its "
                "squared error should be small, here as a share of that of the artist's mean. It should be "
                "steady: its forecasts should not jump from year to year without need. And it should be "
                "simple: a reader should be able to list the few inputs that it uses. A linear forecaster "
                "with six settings was fitted to the years before the validation years and scored on those. "
                "No setting is best in all three aims; the front has those that no other beats in every "
                "one. A setting that is less accurate than the artist's mean counts as useless."
            ),
            Prose(
                f"At the knee, where more accuracy begins to cost much of the other aims, the forecaster "
                f"uses {plural(knee.weights, 'weight')} and has an error of {knee.error:.3f}; the most "
                f"accurate setting has {best.error:.3f} with {plural(best.weights, 'weight')}. The settings "
                f"were chosen on {plural(metrics.artists, 'artist')}. For the "
                f"{plural(metrics.artists_others, 'artist')} that the search did not use, the errors are "
                f"{knee.error_others:.3f} and {best.error_others:.3f}. Forecasts step far less than the "
                "years themselves, since a year's mean of few songs is mostly noise."
            ),
            Figure(
                (Picture(svg("search-front", (8.2, 3.8), alt, draw_front)),),
                f"The front of {plural(metrics.evaluations * metrics.seeds, 'evaluation')} by NSGA-II: share "
                "of weights in use, squared error, and steps of the forecasts (lighter is steadier). "
                "Circle: the knee.",
            ),
            grid(
                "Two settings of the front, for the artists of the search and for the others.",
                ("setting", "weights", "error", "error, others", "step", "step, others"),
                rows,
            ),
            Prose(_verdict(search)),
            Figure(
                (Picture(svg("search-strategies", (8.2, 3.0), compared, draw_strategies)),),
                f"Left: hypervolume of the front after {metrics.evaluations} evaluations, one dot per seed, "
                "line: mean. Right: smallest error so far, median and range over seeds, and the median of "
                f"random search after {bayesian.trials} trials (dashed).",
            ),
            grid(
                f"Strategies at {metrics.evaluations} evaluations each, {metrics.seeds} seeds: mean "
                "hypervolume, and gain over random search with a 95% interval over seeds.",
                ("strategy", "hypervolume", "gain", "95% interval", "seeds won"),
                [
                    (
                        name,
                        f"{one.mean:.4f}",
                        *_cells(one.gain, metrics.seeds),
                    )
                    for name, one in metrics.strategies.items()
                ],
            ),
        ),
    )


def _cells(gain: Gain | None, seeds: int) -> tuple[str, str, str]:
    if gain is None:
        return "", "", ""
    return signed(gain.mean, 4), interval(gain.low, gain.high, 4), f"{gain.wins} of {seeds}"


def _verdict(search: SearchOutputs) -> str:
    """Return which strategies are better than random search, and which are not."""
    metrics = search.search
    sentences = [
        f"the front of {name} is {_compared(one.gain)} that of random search ({signed(one.gain.mean, 4)}, "
        f"{interval(one.gain.low, one.gain.high, 4)})"
        for name, one in metrics.strategies.items()
        if one.gain is not None
    ]
    gain = metrics.bayesian.gain
    return (
        "Is a clever search worth its effort? The hypervolume measures a front: the volume of all "
        "combinations of aims that it beats. At equal numbers of evaluations, "
        f"{'; '.join(sentences)}. For the error alone, the result of {metrics.bayesian.trials} trials by "
        f"expected improvement on a Gaussian process is {_compared(gain)} that of as many random settings: "
        f"the error of random search minus its own is {signed(gain.mean, 4)} "
        f"({interval(gain.low, gain.high, 4)})."
    )


def _compared(gain: Gain) -> str:
    if gain.low > 0:
        return "better than"
    return "worse than" if gain.high < 0 else "not surely different from"
