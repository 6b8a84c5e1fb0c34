"""rebench beside every peer: one table of comparisons, each side in a process of its own."""
