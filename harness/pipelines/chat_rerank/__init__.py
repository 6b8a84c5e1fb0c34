"""Reranking by chat models: one document at a time, groups, or a sliding window."""
