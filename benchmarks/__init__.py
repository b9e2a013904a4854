"""The commands behind the figures in the docs."""
