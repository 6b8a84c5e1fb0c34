"""Tasks of the hub and of folders in its layouts, and the table of those known by name."""
