"""Ablations: variants of a recipe trained, measured and compared over seeds and queries."""
