"""Fusion of modalities by cross-modal attention: the model and its training."""
