"""Types of the files of the releaf pipeline."""
