"""The audit of a training file, ours or anybody's: what is wrong with it, counted."""
