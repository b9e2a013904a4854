"""Symmetric information fields: layers with a symmetry, and what they rest on."""
