"""Types, meanings and ranges of the emotion blocks of ``params.yaml``.

The values are in ``params.yaml`` only; no field has a default here.
"""

from tasks.emotion.params.data import FeaturesParams, IngestParams, PreprocessParams, SplitParams
from tasks.emotion.params.explanations import ExplainParams, ReportParams, TrustParams
from tasks.emotion.params.forecasts import (
    EvaluateParams,
    FeedbackParams,
    FusionParams,
    SearchParams,
    TrainParams,
)
from tasks.emotion.params.relations import CausalParams, EffectsParams, InfluenceParams, NetworkParams
from tasks.emotion.params.scales import ChangepointParams, MacroParams, MesoParams, MicroParams
from tasks.emotion.params.states import LatentParams, VariationalParams

__all__ = [
    "CausalParams",
    "ChangepointParams",
    "EffectsParams",
    "EvaluateParams",
    "ExplainParams",
    "FeaturesParams",
    "FeedbackParams",
    "FusionParams",
    "InfluenceParams",
    "IngestParams",
    "LatentParams",
    "MacroParams",
    "MesoParams",
    "MicroParams",
    "NetworkParams",
    "PreprocessParams",
    "ReportParams",
    "SearchParams",
    "SplitParams",
    "TrainParams",
    "TrustParams",
    "VariationalParams",
]
