"""Injected faults: damage, kills, full disks, several processes, hostile input."""
