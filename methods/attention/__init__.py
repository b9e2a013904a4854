"""Attention of several heads, over modalities and over levels.

`multi_head` has attention with masks, its adaptive module and its entropy, `encoding` that of time.
"""

from methods.attention.encoding import TrendedEncoding, trended_encoding
from methods.attention.multi_head import (
    AdaptiveAttention,
    MultiHeadAttention,
    normalised_entropy,
    scaled_dot_product,
)

__all__ = [
    "AdaptiveAttention",
    "MultiHeadAttention",
    "TrendedEncoding",
    "normalised_entropy",
    "scaled_dot_product",
    "trended_encoding",
]
