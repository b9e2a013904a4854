"""Everything that writes to MLflow or reads from it."""
