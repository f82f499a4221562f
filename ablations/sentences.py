"""Words that the sentences and captions of several designs share."""

ONE_SEED = "one seed: the luck of training is not in it"
"""Behind a claim that rests on luck of questions, or of models, alone."""
