"""Figures to explore: accuracy by bin, mistakes, and all items."""
