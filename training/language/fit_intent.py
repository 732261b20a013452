"""Train the small intent model on sentences with gold replies.

A multinomial logistic regression with a weight penalty, fitted to the end by L-BFGS, so
that the same sentences give the same model; the weights are kept as whole numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from napari_spinalsam.actions.replies import Plan
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.parser.intent import PLACES, IntentModel, hashed
from napari_spinalsam.language.parser.offline import read_words
from napari_spinalsam.language.parser.safety import screen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.language.score import Sentence

PENALTY = 0.02
_MOST_ROUNDS = 150
_LARGEST = 127


def fit_intent(sentences: Sequence[Sentence], penalty: float = PENALTY) -> IntentModel:
    """Return a model of the intents of sentences.

    Parameters
    ----------
    sentences : sequence of Sentence
        With their gold replies, of which the best counts.
    penalty : float
        On the squares of the weights.

    Raises
    ------
    InputError
        If there are no sentences.
    """
    kept = [sentence for sentence in sentences if screen(sentence.text) is None]
    if not kept:
        raise InputError("There are no sentences to train on: name corpus files.")
    labels = [intent_of(sentence) for sentence in kept]
    intents = tuple(sorted(set(labels)))
    wanted = np.array([intents.index(label) for label in labels])
    weights = _regress(_matrix(kept), wanted, len(intents), penalty)
    scale = float(np.abs(weights).max()) / _LARGEST or 1.0
    whole = np.rint(weights / scale).astype(np.int8)
    return IntentModel(intents, whole, scale)


def save_intent(model: IntentModel, path: Path) -> None:
    """Write a model to a file."""
    np.savez_compressed(
        path, intents=np.array(model.intents), weights=model.weights, scale=model.scale
    )


def intent_of(sentence: Sentence) -> str:
    """Return the intent of a sentence by its best reply."""
    best = sentence.accept[0]
    if isinstance(best, str):
        return best
    if not isinstance(best, Plan):
        return best.kind
    names = {step.action for step in best.steps}
    if len(names) > 1:
        return "several"
    first = best.steps[0]
    if first.action == "set_visibility":
        return f"{first.action}{'+' if first.visible else '-'}"
    return str(first.action)


def _matrix(sentences: Sequence[Sentence]) -> sparse.csr_matrix:
    rows = [hashed(read_words(sentence.text)) for sentence in sentences]
    values = [np.full(len(row), 1 / np.sqrt(max(len(row), 1))) for row in rows]
    ends = np.cumsum([0, *map(len, rows)])
    return sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(rows), ends), (len(rows), PLACES)
    )


def _regress(
    features: sparse.csr_matrix, wanted: NDArray[np.int64], count: int, penalty: float
) -> NDArray[np.float64]:
    each = np.arange(len(wanted))
    target = np.eye(count)[wanted]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(PLACES, count)
        scores = features @ weights
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        surprise = -np.log(shares[each, wanted] + 1e-12).sum()
        slope = features.T @ (shares - target) + penalty * weights
        return float(surprise + penalty / 2 * (flat @ flat)), slope.ravel()

    found = minimize(
        loss,
        np.zeros(PLACES * count),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_ROUNDS},
    )
    best: NDArray[np.float64] = found.x.reshape(PLACES, count)
    return best
