"""Graphs of items: link prediction, structure and explained recommendations."""
