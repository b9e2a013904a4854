"""Attention of several heads, over modalities and over levels.

`multi_head` has attention with masks, its adaptive module and its entropy, and `encoding` that of time.
`hierarchy` attends from columns to modalities to the result, and `graph` describes that as a graph.
`few_keys` has the same attention, fast for the few keys of a fusion.
`multilevel` is attention over a long sequence at the cost O(n log n).
"""

from methods.attention.encoding import TrendedEncoding, trended_encoding
from methods.attention.graph import AttentionGraph, from_json, positions, to_graphml, to_json, to_networkx
from methods.attention.hierarchy import HierarchicalAttention, HierarchyOutput, LevelWeights, mean_graph
from methods.attention.multi_head import (
    AdaptiveAttention,
    MultiHeadAttention,
    normalised_entropy,
    scaled_dot_product,
)
from methods.attention.multilevel import multilevel_attention

__all__ = [
    "AdaptiveAttention",
    "AttentionGraph",
    "HierarchicalAttention",
    "HierarchyOutput",
    "LevelWeights",
    "MultiHeadAttention",
    "TrendedEncoding",
    "from_json",
    "mean_graph",
    "multilevel_attention",
    "normalised_entropy",
    "positions",
    "scaled_dot_product",
    "to_graphml",
    "to_json",
    "to_networkx",
    "trended_encoding",
]
