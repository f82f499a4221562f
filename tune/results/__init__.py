"""What a sweep found: leaderboard, Pareto front, finalists and the winner."""
