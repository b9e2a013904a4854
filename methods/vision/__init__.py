"""Classification of photographs: decoding, views, backbones, heads, training."""
