"""Trace a file or a metric to its sources, its dependents and its command."""
