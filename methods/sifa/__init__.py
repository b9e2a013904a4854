"""Symmetric information fields: groups, metrics, optimisers and information."""
