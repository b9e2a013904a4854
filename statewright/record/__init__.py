"""Writing to and reading from MLflow: the only package that imports it."""
