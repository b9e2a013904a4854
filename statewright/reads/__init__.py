"""Files that stages were seen to read, and missing declarations."""
