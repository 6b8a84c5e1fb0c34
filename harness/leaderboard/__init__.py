"""The leaderboard: rows on the same data, ranked, in several formats."""
