"""Reading, checking, joining and encoding of a user's tables."""
