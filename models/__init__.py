"""Entries that can be evaluated: model cards, prompts, and one file per backend."""
