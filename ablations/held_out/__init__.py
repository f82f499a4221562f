"""Parts of the design `held-out-benchmark`: which cells it needs, and what its tables say."""
