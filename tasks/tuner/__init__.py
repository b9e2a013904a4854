"""Stages of the tuner, and its generator of data pipelines."""
