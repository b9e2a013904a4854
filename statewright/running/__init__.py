"""One run: the process that starts the commands, the one that records, the servers, an attempt at a stage."""
