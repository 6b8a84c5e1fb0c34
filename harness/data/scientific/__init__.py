"""The second embedded corpus: what numpy and scipy say of their public objects."""
