"""Results of other tools, read into imported rows, and our own written as theirs."""
