"""The leaderboard: rows that stand on one ground, ranked, in several formats."""
