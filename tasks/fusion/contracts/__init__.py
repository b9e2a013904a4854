"""Contracts of the files of the pipeline fusion."""
