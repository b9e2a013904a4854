"""Compare two revisions: stages that run or changed, params, metrics, sizes."""
