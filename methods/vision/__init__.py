"""Photographs: decoding, views, backbones, several heads and their training."""
