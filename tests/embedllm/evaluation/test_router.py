import warnings

import numpy as np
import pytest

from embedllm.errors import DataError
from embedllm.evaluation.router import CHUNK_QUESTIONS, Router

MODELS, WIDTH = 5, 16


@pytest.fixture
def router():
    rng = np.random.default_rng(0)
    return Router(rng.normal(size=(MODELS, WIDTH)), rng.normal(size=MODELS), list("abcde"))


@pytest.mark.parametrize("questions", [0, 1, CHUNK_QUESTIONS, 2 * CHUNK_QUESTIONS + 7])
def test_routes_to_the_highest_log_odds_across_chunks(router, questions):
    encodings = np.random.default_rng(1).normal(size=(questions, WIDTH)).astype(np.float32)
    log_odds = encodings @ router.weights.numpy().T + router.offset.numpy()
    chosen = router.route(encodings)
    assert chosen.dtype == np.int64
    assert (chosen == log_odds.argmax(axis=1)).all()
    assert router.log_odds(encodings) == pytest.approx(log_odds, abs=1e-4)
    ranked = router.rank(encodings)
    assert ranked.shape == (questions, MODELS)
    assert (ranked[:, 0] == chosen).all()
    assert (np.sort(ranked, axis=1) == np.arange(MODELS)).all()
    assert (np.diff(np.take_along_axis(router.log_odds(encodings), ranked, axis=1), axis=1) <= 0).all()


def test_equals_go_to_the_first_model():
    router = Router(np.ones((3, 2)), np.zeros(3), ["a", "b", "c"])
    assert router.route(np.ones((4, 2))).tolist() == [0] * 4
    assert router.rank(np.ones((1, 2))).tolist() == [[0, 1, 2]]


def test_reads_any_memory_layout_without_a_warning(router):
    rows = np.random.default_rng(2).normal(size=(20, WIDTH))
    expected = router.route(rows.astype(np.float32))
    frozen = rows.astype(np.float32)
    frozen.setflags(write=False)  # as from a memory map or Ray's object store
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layout in (rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2], frozen):
            assert (router.route(layout) == expected).all()


def test_a_wrong_width_is_told(router):
    with pytest.raises(DataError, match=r"encodings have shape \(3, 4\); this router reads \(questions, 16\)"):
        router.route(np.zeros((3, 4)))


def test_weights_must_fit_the_names():
    with pytest.raises(DataError, match=r"with 3 model names they must be \(3, width\) and \(3,\)"):
        Router(np.ones((2, 2)), np.zeros(2), ["a", "b", "c"])
