"""Options and help of each command."""
