"""Serving: cache, dynamic batching, sizes, balancing, scaling, and what they do to latency."""
