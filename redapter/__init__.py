"""Redapter: training that weighs each sample by its reasoning intensity."""
