"""Words that the sentences and captions of several designs share."""

ONE_SEED = "one seed: training variance is not included"
"""Follows a claim that is tested over questions, or over models, alone."""
