"""The embedding store: immutable shards of vectors, and encoding through it."""
