"""Comparisons of measured entries: guarded, tested, and taken apart."""
