"""Tasks: BRIGHT, the embedded stdlib task, folders in BEIR layout, and run files."""
