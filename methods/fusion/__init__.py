"""Cross-modal attention: the model and its training."""
