"""Where a file or a metric comes from, what depends on it, and the command that makes it again."""
