"""Arithmetic of training, counted from shapes alone: which form of a step is cheaper, and how long an epoch is.

Free of PyTorch, so that a search can be planned without it. The two forms are those of `embedllm.training.bilinear`.
"""

from embedllm.config import FitConfig

FORMS = ("factor", "collapsed")

DIM_STEP, LEAST_DIM = 8, 16


def padded_dim(dim: int) -> int:
    """Width at which embeddings of dimension `dim` are trained: the next multiple of 8, and at least 16.

    Matrix products want whole vector registers: a fit at width 11 takes almost twice as long as one at 16.
    """
    return max(LEAST_DIM, -(-dim // DIM_STEP) * DIM_STEP)


def step_flops(form: str, models: int, width: int, dim: int, batch: int, *, pair_noise: bool) -> int:
    """Floating-point operations of the matrix products of one training step of one member."""
    if form == "collapsed":
        return 6 * models * width * dim + 4 * batch * models * width
    noise = 4 * width * dim**2 + 4 * models * dim**2 if pair_noise else 0
    return 4 * batch * width * dim + 6 * batch * models * dim + noise


def cheaper_form(models: int, width: int, dim: int, batch: int, *, pair_noise: bool) -> str:
    """`factor` or `collapsed`, whichever needs fewer FLOPs at these shapes."""
    return min(
        FORMS,
        key=lambda form: step_flops(form, models, width, dim, batch, pair_noise=pair_noise),
    )


def forecast_flops(form: str, models: int, width: int, dim: int, questions: int) -> int:
    """Floating-point operations of one member's noise-free log-odds of all models on `questions` questions."""
    if form == "collapsed":
        return 2 * models * width * (dim + questions)
    return 2 * questions * dim * (width + models)


def epoch_flops(config: FitConfig, models: int, width: int, num_train: int) -> int:
    """Floating-point operations of the matrix products of one epoch of one member.

    Args:
        config: the member; its `training_questions`, where None, are `num_train`.
        models: LLMs in the pool.
        width: width of the question encodings.
        num_train: training questions there are.
    """
    trained_on = config.training_questions or num_train
    questions, groups = config.batch_shape(models, trained_on)
    shape = (-(-models // groups), width, padded_dim(config.embedding_dim), questions)
    pair_noise = config.noise_per == "pair" and config.noise > 0
    steps = -(-trained_on // questions) * groups
    return steps * min(step_flops(form, *shape, pair_noise=pair_noise) for form in FORMS)
