"""Contracts of the files of the pipeline tuner."""
