"""One module per design: figures from its tables alone."""
