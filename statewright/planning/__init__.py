"""Parts of a decision: inputs that a stage will find, and reasons to run it."""
