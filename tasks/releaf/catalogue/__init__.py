"""Cards and names of items."""
