"""Helpers of the stage of networks."""
