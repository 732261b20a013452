"""A small linear model of what is asked for, for sentences that no frame fits.

It sees the words, their concepts and runs of characters, hashed into a few thousand
places, and gives each intent a probability. It was trained by `training/language` on
sentences with gold replies; `fallback` decides what may come of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from napari_spinalsam.language.parser.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.language.parser.tokenizer import Token

    GuessIntent = Callable[[Sequence[Token]], tuple[str, float]]

PLACES = 1 << 14
MODEL_FILE = "intent.npz"
_LONGEST_RUN = 4  # characters
# What is the same for every structure, region and number.
_STAND_INS = {"structure": "\u00a7", "region": "\u00b6", "number": "#", "ordinal": "#"}


@dataclass(frozen=True, slots=True)
class IntentModel:
    """Weights of the model.

    Parameters
    ----------
    intents : tuple of str
        An action; ``set_visibility`` with ``+`` or ``-``; ``refuse``, ``clarify`` or
        ``several`` steps.
    weights : ndarray of int8, shape (PLACES, intents)
        Whole numbers that are multiplied by the scale.
    scale : float
        Of the weights.
    """

    intents: tuple[str, ...]
    weights: NDArray[np.int8]
    scale: float

    def probabilities(self, tokens: Sequence[Token]) -> NDArray[np.float64]:
        """Return the probability of each intent, shape (intents,)."""
        places = hashed(tokens)
        votes = self.weights[places].sum(axis=0, dtype=np.int64)
        scores = votes * (self.scale / np.sqrt(max(len(places), 1)))
        odds = np.exp(scores - scores.max())
        shares: NDArray[np.float64] = odds / odds.sum()
        return shares

    def guess(self, tokens: Sequence[Token]) -> tuple[str, float]:
        """Return the likeliest intent and its probability."""
        shares = self.probabilities(tokens)
        best = int(shares.argmax())
        return self.intents[best], float(shares[best])


def guess_intent(tokens: Sequence[Token]) -> tuple[str, float]:
    """Return the likeliest intent of some words and its probability."""
    return load_intent_model().guess(tokens)


@cache
def load_intent_model() -> IntentModel:
    """Return the model of the package."""
    source = resources.files(__package__).joinpath(MODEL_FILE)
    with resources.as_file(source) as path, np.load(path) as arrays:
        return IntentModel(
            tuple(map(str, arrays["intents"])),
            arrays["weights"],
            float(arrays["scale"]),
        )


def hashed(tokens: Sequence[Token]) -> list[int]:
    """Return the places of the features of a sentence, each once, in order.

    Parameters
    ----------
    tokens : sequence of Token
        Its words.
    """
    return sorted({crc32(name.encode()) % PLACES for name in _features(tokens)})


def _features(tokens: Sequence[Token]) -> Iterator[str]:
    words = [_word(token) for token in tokens]
    present = 0
    for token in tokens:
        present |= token.concepts
    for name, bit in load_lexicon().bits.items():
        if present & bit:
            yield f"concept {name}"
    chinese = any(not word.isascii() and word not in "\u00a7\u00b6" for word in words)
    text = "".join(words) if chinese else " ".join(words)
    if not chinese:
        parts = text.split()
        yield from (f"word {part}" for part in parts)
        yield from (f"pair {a} {b}" for a, b in pairwise(parts))
    text = f"^{text}$"
    for length in range(1 if chinese else 2, _LONGEST_RUN + 1):
        for start in range(len(text) - length + 1):
            yield text[start : start + length]


def _word(token: Token) -> str:
    """Return a token's text, or what stands for its kind."""
    for kind, sign in _STAND_INS.items():
        if kind in token.values:
            return sign
    return token.text
