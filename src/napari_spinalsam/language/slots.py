"""What the builders of arguments have in common: the words and places of a clause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spinalsam.language.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.tokens import Token

Step = dict[str, Any]
_BODIES = ("vertebra", "椎体")


class UnclearError(Exception):
    """Too little was said; the key names the question of `wording` to ask back."""


def places_of(tokens: Sequence[Token], kinds: str = "structure region") -> list[str]:
    """Return the structures and regions named, each once, in order."""
    names: dict[str, None] = {}
    named = any("structure" in token.values for token in tokens)
    for token in tokens:
        if named and "region" in token.values and any(b in token.text for b in _BODIES):
            continue  # "each vertebra" of those that are named
        for kind in kinds.split():
            names.update(dict.fromkeys(token.values.get(kind, ())))
    return list(names)


def has(token: Token, names: str) -> bool:
    """Return whether a word has one of these concepts."""
    return bool(token.concepts & load_lexicon().mask(names))
