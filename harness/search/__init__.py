"""Search: BM25 and exact masked dense search."""
