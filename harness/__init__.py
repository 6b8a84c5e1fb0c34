"""Evaluation: tasks, cache, search, metrics, statistics, leaderboard, reports, command line."""
