"""Search over several aims by evolution, and of one aim by a Gaussian process."""
