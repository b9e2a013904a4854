"""Search for the params of a pipeline that give the best metric."""
