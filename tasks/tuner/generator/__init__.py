"""Generator of data pipelines: a specification in, a typed program for one engine out."""
