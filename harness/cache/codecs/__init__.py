"""What a space may hold: one file for each kind of vector, behind one protocol."""
