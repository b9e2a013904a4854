"""Search in documents: BM25, dense vectors, fusion, feedback and re-ranking."""
