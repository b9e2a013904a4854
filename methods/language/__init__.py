"""A causal language model: loaded, adapted by LoRA, measured by perplexity, made to answer from passages."""
