"""The embedded task: reasoning queries over the standard library's documentation."""
