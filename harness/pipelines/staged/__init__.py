"""Pipelines as files: stages that rewrite, retrieve, fuse and rerank, each with a stored output."""
