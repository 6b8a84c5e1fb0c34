"""How numbers, tables and figures are written, for whatever they show."""
