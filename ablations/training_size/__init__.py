"""Parts of the design `training-size`: which sizes, what its tables say, and how they are worded."""
