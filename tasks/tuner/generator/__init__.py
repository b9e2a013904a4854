"""Generator of data pipelines: typed programs from a specification."""
