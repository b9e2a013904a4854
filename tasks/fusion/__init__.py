"""Stages of the pipeline fusion: a user's tables in, a judged model out."""
