"""Files that stages were seen to read, and what of it is missing in their declarations."""
