"""Near-duplicate texts: hashed word shingles, MinHash candidates, exact Jaccard similarity."""
