"""What is kept: published numbers with their sources, and measured entries."""
