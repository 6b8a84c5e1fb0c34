"""Backends: one file each runs a card's model, in this process or on a server."""
