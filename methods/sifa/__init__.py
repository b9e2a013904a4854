"""Symmetric information fields: layers with a symmetry, their geometry, training and judgement."""
