"""Helpers of the stages that train and judge the forecaster."""
