"""One module per stage, each with `plan(run)`: select, generate, reason, mine, annotate, format."""
