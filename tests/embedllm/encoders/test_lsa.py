"""The `lsa` encoder against an exact decomposition, and on texts it has never seen."""

import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedllm.encoders import restore_encoder
from embedllm.encoders.lsa import LsaEncoder, fit_lsa
from embedllm.errors import EmbedLLMError


def test_agrees_with_an_exact_decomposition(texts):
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", min_df=3)
    weights = vectorizer.fit_transform(texts).toarray()
    # Three topics make three singular values that stand out; the randomised method is exact on those.
    _, _, directions = np.linalg.svd(weights, full_matrices=False)
    reference = weights @ directions[:3].T
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    encodings = fit_lsa(texts, width=3).encode(texts)
    # Singular vectors are unique up to sign, so compare what does not depend on it.
    np.testing.assert_allclose(encodings @ encodings.T, reference @ reference.T, atol=1e-3)


def test_encodings_have_length_one_and_tell_topics_apart(texts):
    encodings = fit_lsa(texts, width=8).encode(texts)
    assert encodings.shape == (60, 8)
    assert encodings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(encodings, axis=1), 1, atol=1e-5)
    similarity = encodings @ encodings.T
    same = np.equal.outer(np.arange(60) % 3, np.arange(60) % 3)
    assert similarity[same].mean() > similarity[~same].mean() + 0.2


def test_two_fits_are_equal(texts):
    first, second = fit_lsa(texts, 8), fit_lsa(texts, 8)
    assert first.revision == second.revision
    np.testing.assert_array_equal(first.components, second.components)


def test_revision_depends_on_texts_and_width(texts):
    revisions = {fit_lsa(texts, 8).revision, fit_lsa(texts, 7).revision, fit_lsa(texts[:-1], 8).revision}
    assert len(revisions) == 3


def test_state_survives_json_and_gives_identical_encodings(texts):
    encoder = fit_lsa(texts, 8)
    values, arrays = encoder.state()
    restored = restore_encoder(json.loads(json.dumps(values)), {name: array.copy() for name, array in arrays.items()})
    assert (restored.name, restored.revision, restored.width) == ("lsa:8", encoder.revision, 8)
    unseen = ["A patient in court?", "solve the equation", "völlig Neues"]
    np.testing.assert_array_equal(restored.encode(unseen), encoder.encode(unseen))


def test_state_that_does_not_fit_together(texts):
    values, arrays = fit_lsa(texts, 8).state()
    with pytest.raises(EmbedLLMError, match=r"idf of shape \(3,\).*fit it again"):
        restore_encoder(values, {**arrays, "idf": np.ones(3, np.float32)})
    with pytest.raises(EmbedLLMError, match="lacks 'components'; fit it again"):
        restore_encoder(values, {"idf": arrays["idf"]})


def test_text_without_a_known_term_is_the_zero_vector(texts):
    encodings = fit_lsa(texts, 8).encode(["", "   ", "xyzzy", texts[0]])
    np.testing.assert_array_equal(encodings[:3], 0)
    assert np.linalg.norm(encodings[3]) == pytest.approx(1, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_any_text_gives_finite_rows_independent_of_their_companions(unseen):
    encoder = _topic_encoder()
    together = encoder.encode(unseen)
    assert together.shape == (len(unseen), 4)
    assert np.isfinite(together).all()
    for row, text in enumerate(unseen):
        np.testing.assert_allclose(encoder.encode([text])[0], together[row], atol=1e-6)


def _topic_encoder() -> LsaEncoder:
    return fit_lsa(["solve the equation", "treat the patient", "judge the contract", "judge the patient"], 4)


def test_too_few_texts_give_a_narrower_encoding_and_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        encoder = fit_lsa(["solve the equation", "treat the patient"], 384)
    assert encoder.width == 2
    assert encoder.name == "lsa:2"
    # solve, the, equation, treat, patient, and four bigrams
    assert caplog.messages == ["lsa: the width is 2 instead of 384, because 2 training questions hold 9 terms"]
    assert encoder.encode(["the equation"]).shape == (1, 2)


@pytest.mark.parametrize("texts", [[], [""], ["", "  "]])
def test_texts_without_words_cannot_be_fitted(texts):
    with pytest.raises(EmbedLLMError, match=f"none of the {len(texts)} training questions contains a word"):
        fit_lsa(texts)
