"""Types, meanings and ranges of the releaf blocks of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from statewright.contracts import Params

Encoder = Literal["sage-mean", "sage-max", "sage-lstm", "gat", "gcn"]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]


class IngestParams(Params):
    """Sources of the stage ``releaf-ingest``."""

    source: str = Field(description="folder with the waste tables and cards.yaml")
    watch: str = Field(description="file or folder whose change makes the stage run again")
    tables: dict[str, str] = Field(description="table name to file, where the file is not NAME.parquet")
    most_quarantined: Share = Field(description="share of broken rows above which a table is an error")
    documents: str | None = Field(description="folder of .md and .txt files that become cards; null: none")
    full: str | None = Field(description="folder that holds waste/ with the cities' own texts; null: none")


class PreprocessParams(Params):
    """Settings of the stage ``releaf-preprocess``."""

    dev_share: float = Field(gt=0, lt=1, description="share of item names (not rows) in the dev split")
    test_share: float = Field(gt=0, lt=1, description="share of item names (not rows) in the test split")
    salt: str = Field(description="hashed with each name; another salt draws another split")
    most_words: int = Field(ge=20, description="words above which a part of a card becomes several passages")
    twin_cosine: float = Field(
        gt=0, le=1, description="lowest cosine of two photographs' features that counts as the same picture"
    )

    @model_validator(mode="after")
    def _has_training_share(self) -> Self:
        _check_training_share(self.dev_share, self.test_share)
        return self


class GraphParams(Params):
    """Settings of the stage ``releaf-graph``: training and recommendations."""

    encoder: Encoder = Field(description="encoder of the embeddings and recommendations")
    compared: tuple[Encoder, ...] = Field(description="encoders that are trained and scored for comparison")
    features: tuple[Literal["learnt", "structure", "text"], ...] = Field(
        min_length=1, description="inputs of a node, concatenated"
    )
    text_model: str = Field(description="sentence encoder of the node names, a folder or a package")
    width: int = Field(ge=4, le=1024, description="units of the input layer")
    layers: tuple[int, ...] = Field(min_length=1, max_length=6, description="units of each layer")
    heads: int = Field(ge=1, description="attention heads of gat")
    dropout: float = Field(ge=0, lt=1, description="probability of dropping a unit")
    epochs: int = Field(ge=1, description="largest number of epochs")
    learning_rate: float = Field(gt=0, description="learning rate of Adam after the warm-up")
    weight_decay: float = Field(ge=0, description="weight decay")
    warmup: int = Field(ge=0, description="epochs of linear warm-up")
    patience: int = Field(ge=1, description="epochs without a better validation loss before training stops")
    clip: float = Field(gt=0, description="largest norm of the gradient")
    hidden: float = Field(
        ge=0, lt=1, description="share of training links that pass no message while they are predicted"
    )
    negatives: Literal["uniform", "same type", "both"] = Field(
        description="negative pairs in training; both: half of each kind"
    )
    neighbours: int = Field(ge=1, description="neighbours that the LSTM of sage-lstm reads")
    validation: float = Field(gt=0, lt=0.5, description="share of links in the validation split")
    test: float = Field(gt=0, lt=0.5, description="share of links in the test split")
    context: tuple[str, ...] = Field(description="relations that pass messages and are never predicted")
    kinds: tuple[str, ...] = Field(min_length=1, description="node types that are recommended")
    per_kind: int = Field(ge=1, le=100, description="recommendations for each item and node type")
    pivots: int = Field(ge=1, description="nodes from which betweenness is estimated")
    shuffles: int = Field(ge=19, description="permutations of the node types in the homophily test")
    seed: Seed = Field(description="seed of the split, the weights and the negatives")

    @model_validator(mode="after")
    def _encoders_are_distinct(self) -> Self:
        if self.encoder in self.compared or len(set(self.compared)) < len(self.compared):
            raise ValueError(
                f"compared is {self.compared}; expected each encoder at most once, and not {self.encoder}"
            )
        return self


class VisionParams(Params):
    """Settings of the stage ``releaf-vision``: inputs, heads and training.

    Without `photographs`, the stage trains heads on the features that ship. With `photographs`, it also
    trains the upper part of the backbone, and `with_photographs` replaces the values that it names.
    """

    photographs: str | None = Field(
        description="Parquet table with columns file and image (bytes of the photograph); null: none"
    )
    with_photographs: dict[str, Any] = Field(description="values that apply if photographs is set")
    pictures: str | None = Field(
        description="folder of the user's pictures: glass/FILE, glass/jar/FILE, or FILE; null: none"
    )
    watch: str = Field(description="file or folder whose change makes the stage run again")
    backbone: str = Field(description="efficientnet-lite0, vit, a transformers folder, or timm:NAME@FILE")
    height: int = Field(ge=32, description="pixels to which a photograph is resized")
    width: int = Field(ge=32, description="pixels to which a photograph is resized")
    frozen: int | None = Field(ge=0, description="first blocks of the backbone that are frozen; null: all")
    views: int = Field(ge=1, description="views of each training photograph: the original and random ones")
    heads: dict[str, float] = Field(description="weight of each head's loss; a head without labels is off")
    hidden: int = Field(ge=0, description="units of the layer that the heads share; 0: no such layer")
    dropout: float = Field(ge=0, lt=1, description="probability of dropping a unit")
    epochs: int = Field(ge=1, description="largest number of epochs")
    batch_size: int = Field(ge=2, description="photographs in a batch")
    learning_rate: float = Field(gt=0, description="highest learning rate of AdamW, of the heads")
    lowest_rate: float = Field(gt=0, description="learning rate at the end of the cosine schedule")
    body_rate: float = Field(ge=0, description="rate of the backbone, as a multiple of learning_rate")
    warm_up: float = Field(ge=0, lt=1, description="share of the steps with linear warm-up")
    weight_decay: float = Field(ge=0, description="weight decay of AdamW")
    smoothing: float = Field(ge=0, lt=1, description="label smoothing")
    mix: float = Field(ge=0, description="both parameters of mixup's Beta distribution; 0: no mixup")
    average: float = Field(ge=0, lt=1, description="decay of the moving average of the weights, per step")
    patience: int = Field(ge=1, description="epochs without a better validation loss before training stops")
    bins: int = Field(ge=2, description="bins of the expected calibration error")
    seeds: list[int] = Field(min_length=1, description="seeds whose models' probabilities are averaged")

    @model_validator(mode="after")
    def _with_photographs_is_valid(self) -> Self:
        self._with(self.with_photographs)
        return self

    def used(self) -> VisionParams:
        """Return the settings with `with_photographs` applied if `photographs` is set."""
        return self if self.photographs is None else self._with(self.with_photographs)

    def _with(self, changed: dict[str, Any]) -> VisionParams:
        if not changed:
            return self
        if wrong := {"photographs", "with_photographs"} & set(changed):
            raise ValueError(f"with_photographs cannot set {', '.join(sorted(wrong))}; remove the key")
        own = self.model_dump(exclude={"with_photographs"})
        return VisionParams.model_validate({**own, "with_photographs": {}, **changed})


class IndexParams(Params):
    """Settings of the stage ``releaf-index``: BM25 and the encoder of the passages."""

    k1: float = Field(gt=0, description="saturation of term frequency in BM25")
    b: float = Field(ge=0, le=1, description="length normalisation in BM25")
    model: str = Field(description="sentence encoder, a folder or an installed package")
    batch: int = Field(ge=1, description="passages in a batch; 1: a vector depends on its own text only")


class RetrieveParams(Params):
    """Settings of the search, and of its evaluation in the stage ``releaf-retrieve``."""

    fusion: Literal["bm25", "dense", "rrf", "weighted"] = Field(description="ranking that is shipped")
    w_dense: Share = Field(description="weight of the dense scores in the weighted fusion")
    rrf_k: float = Field(gt=-1, description="constant of reciprocal rank fusion")
    depth: int = Field(ge=1, description="documents of each ranking that rrf uses")
    feedback: int = Field(ge=0, description="documents that expand the query; 0: no expansion")
    alpha: float = Field(ge=0, description="weight of the query expansion")
    terms: int = Field(ge=1, description="largest number of terms that the expansion adds")
    reranker: str | None = Field(
        description="cross-encoder: a folder, a package, or a name in the local cache; null: none"
    )
    rerank_depth: int = Field(ge=1, description="passages that the cross-encoder scores")
    rerank_weight: Share = Field(description="weight of the cross-encoder's score")
    qdrant: str | None = Field(description="address of a server, http://host:6333; null: in the process")
    grid: tuple[float, ...] = Field(description="values of w_dense tried on the train and dev items")
    batch: int = Field(ge=1, description="names or pairs in a batch")
    draws: int = Field(ge=100, description="sign patterns of the randomisation test")
    seed: int = Field(description="seed of the randomisation test")


class StreamsParams(Params):
    """Settings of the stage ``releaf-streams``: the model of each city's list."""

    strengths: tuple[float, ...] = Field(
        min_length=1, description="inverse penalties to try; the best on dev is used"
    )
    batch: int = Field(ge=1, description="names in a batch")


class EvaluateParams(Params):
    """Settings of the answer, used by ``releaf-evaluate`` and by the service."""

    cards: int = Field(ge=1, description="number of retrieved cards that are used")
    softness: float = Field(gt=0, description="scale at which the weight of a card decays with its score")
    w_cards: Share = Field(description="weight of the cards against the list's model")
    grid: tuple[float, ...] = Field(description="values of w_cards tried on dev")
    at_least: tuple[float, ...] = Field(
        description="probabilities from which the accuracy of the names is reported"
    )
    draws: int = Field(ge=100, description="sign patterns of the randomisation test")
    seed: int = Field(description="seed of the randomisation test")


class RatingsParams(Params):
    """Source of the stage ``releaf-ratings``."""

    log: str | None = Field(
        description="Parquet or CSV file, or SQLAlchemy URL of a database with a table ratings; null: none"
    )
    watch: str = Field(description="file or folder whose change makes the stage run again")
    most_quarantined: Share = Field(description="share of broken rows above which the log is an error")


class FeedbackParams(Params):
    """Conditions under which the stage ``releaf-feedback`` proposes a weight."""

    least_questions: int = Field(ge=1, description="rated questions needed for a proposal")
    alpha: float = Field(gt=0, lt=1, description="p-value (Holm) below which a gain is significant")
    most_loss: float = Field(ge=0, description="largest loss of nDCG@10 on the names of train and dev items")
    draws: int = Field(ge=100, description="sign patterns of the randomisation test")
    seed: int = Field(description="seed of the randomisation test")


class RushParams(Params):
    """Load of the rush simulation: calm, rush, calm."""

    calm_load: float = Field(gt=0, description="load before and after the rush, in servers of capacity 1")
    rush_load: float = Field(gt=0, description="load in the rush, in servers of capacity 1")
    before_s: float = Field(gt=0, description="seconds before the rush")
    rush_s: float = Field(gt=0, description="seconds of the rush")
    after_s: float = Field(gt=0, description="seconds after the rush")


class ScalingParams(Params):
    """Settings of automatic scaling, see `methods.serving.balancing.autoscale`."""

    target: float = Field(gt=0, description="wanted latency, in seconds")
    threshold: float = Field(gt=0, description="latency above which servers are added, in seconds")
    calm: float = Field(ge=0, description="latency below which servers are removed, in seconds")
    least: int = Field(ge=1, description="smallest number of servers")
    most: int = Field(ge=1, description="largest number of servers")
    interval_s: float = Field(gt=0, description="seconds between two decisions")
    start_s: float = Field(ge=0, description="seconds until a new server accepts requests")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not (self.calm <= self.target <= self.threshold and self.least <= self.most):
            raise ValueError("expected calm <= target <= threshold and least <= most")
        return self


class ServingParams(Params):
    """Requests and servers of the simulation in the stage ``releaf-serving``."""

    work_s: dict[str, float] = Field(
        min_length=1, description="seconds of work by kind of request, on a server of capacity 1"
    )
    shares: dict[str, float] = Field(min_length=1, description="share of requests by kind; sum 1")
    capacities: tuple[float, ...] = Field(min_length=1, description="relative speed of each server")
    loads: tuple[float, ...] = Field(
        min_length=1, description="arriving work divided by the capacity of all servers"
    )
    requests: int = Field(ge=100, description="simulated requests")
    skipped: int = Field(ge=0, description="first requests that are not evaluated: the queues start empty")
    cached_s: float = Field(ge=0, description="seconds of an answer from the cache")
    hit_rates: tuple[float, ...] = Field(min_length=1, description="hit rates of the cache to simulate")
    cache_load: float = Field(gt=0, lt=1, description="load of the cache simulation, without the cache")
    rush: RushParams
    scaling: ScalingParams
    seed: Seed = Field(description="seed of arrivals, work and dispatch")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if set(self.work_s) != set(self.shares) or abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError("work_s and shares must name the same kinds of request, and shares add up to 1")
        if min(self.work_s.values()) <= 0 or min(self.shares.values()) < 0 or min(self.capacities) <= 0:
            raise ValueError("every work_s and capacity must be above 0, and no share below it")
        if not all(0 < load < 1 for load in self.loads) or not all(0 <= rate <= 1 for rate in self.hit_rates):
            raise ValueError("loads must be between 0 and 1, hit_rates from 0 to 1")
        if self.skipped >= self.requests:
            raise ValueError("skipped must be less than requests")
        return self


class AdaptParams(Params):
    """Settings of the stage ``releaf-adapt``: model, adapter, training, evaluation."""

    model: str = Field(description="package with a GGUF file, a folder, or a name in the local cache")
    cache: str = Field(description="folder for the converted model of a package")
    precision: Literal["float32", "bfloat16"] = Field(description="type of the frozen weights")
    texts: str | None = Field(
        description="folder with waste_answers.parquet and wikitext2_valid_test.parquet; null: none"
    )
    rank: int = Field(ge=1, le=512, description="rank of the adapter")
    alpha: int = Field(ge=1, description="scale of the adapter; the update is multiplied by alpha / rank")
    dropout: float = Field(ge=0, lt=1, description="probability of dropping an input of the adapter")
    targets: tuple[str, ...] = Field(min_length=1, description="names of the adapted matrices")
    questions: int = Field(ge=1, description="questions in the training set")
    texts_each: int = Field(ge=1, description="largest number of texts of each kind")
    passages: int = Field(ge=1, le=5, description="largest number of passages in a prompt")
    steps: int = Field(ge=1, description="largest number of training steps")
    batch_size: int = Field(ge=1, description="examples in a batch")
    learning_rate: float = Field(gt=0, description="highest learning rate of AdamW")
    lowest_rate: float = Field(gt=0, description="learning rate at the end of the cosine schedule")
    warm_up: float = Field(ge=0, lt=1, description="share of the steps with linear warm-up")
    weight_decay: float = Field(ge=0, description="weight decay of AdamW")
    clip: float = Field(gt=0, description="largest norm of the gradient")
    check_every: int = Field(ge=1, description="steps between two evaluations of the validation loss")
    patience: int = Field(ge=1, description="evaluations without a better loss before training stops")
    checked: int = Field(ge=1, description="questions, and texts, of dev cards in the validation set")
    asked: int = Field(ge=1, description="questions of test cards answered before and after training")
    most_tokens: int = Field(ge=1, description="largest number of tokens in an answer")
    wikitext_tokens: int = Field(ge=2, description="first tokens of WikiText-2's test part to evaluate")
    window: int = Field(ge=2, description="tokens in one window of the perplexity")
    dev_share: float = Field(gt=0, lt=1, description="share of the cards in the dev split")
    test_share: float = Field(gt=0, lt=1, description="share of the cards in the test split")
    salt: str = Field(description="hashed with each card's id; another salt draws another split")
    seed: Seed = Field(description="seed of the questions, the adapter and the batches")

    @model_validator(mode="after")
    def _has_training_share(self) -> Self:
        _check_training_share(self.dev_share, self.test_share)
        return self


class ReportParams(Params):
    """Lengths of the lists in the report."""

    turned_down: int = Field(ge=1, description="passages with the lowest ratings to list")


def _check_training_share(dev_share: float, test_share: float) -> None:
    if dev_share + test_share >= 1:
        raise ValueError(
            f"dev_share + test_share is {dev_share + test_share:g}; expected less than 1, "
            "so that a share remains for training"
        )
