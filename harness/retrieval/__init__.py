"""Retrievers over stored vectors: one file for each kind, and what they share."""
