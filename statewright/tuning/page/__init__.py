"""The page of a study: its trials as plots and tables, in one file."""
