"""Generated Markdown reports and figures."""
