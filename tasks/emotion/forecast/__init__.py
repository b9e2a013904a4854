"""Helpers of the stages that train and evaluate the forecaster."""
