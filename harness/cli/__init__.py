"""The `rebench` command: parses, calls one function, prints."""
