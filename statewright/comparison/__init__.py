"""Two revisions of a repository: which stages run or changed, params, metrics and sizes."""
