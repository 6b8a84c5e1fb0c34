"""Metrics by name and the scoring protocol."""
