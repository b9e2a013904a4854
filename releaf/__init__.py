"""From a question about a thing to its bin, the reason, and what else it could become."""
