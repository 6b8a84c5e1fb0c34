"""Rerankers: their cards, and how a name leads to one."""
