"""A causal language model: loading, LoRA, perplexity, answers from passages."""
