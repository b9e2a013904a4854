"""Stages on other machines: clusters, their workers, and what a worker needs."""
