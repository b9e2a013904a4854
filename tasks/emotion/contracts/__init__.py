"""Types of the files of the emotion pipeline."""
