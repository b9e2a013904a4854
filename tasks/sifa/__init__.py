"""Stages of the pipeline sifa: sets in, the worth of each part out."""
