"""Helpers of the stage that learns from photographs."""
