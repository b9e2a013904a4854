"""Helpers of the stage that predicts links between items."""
