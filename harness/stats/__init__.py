"""Paired tests, intervals, corrections and rank groups over per-query values."""
