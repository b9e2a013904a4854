"""Helpers of the stage that trains the adapter of the language model."""
