"""Embeddings in memory, the least recently used leaving first."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari_spinalsam.model.backends.base import SliceEmbedding


class EmbeddingCache:
    """Keeps embeddings up to a memory budget.

    Parameters
    ----------
    budget : int
        Bytes; the newest embedding is kept even if it is larger.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._entries: OrderedDict[Hashable, SliceEmbedding] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many embeddings are held."""
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether an embedding is held, leaving its turn as it is."""
        return key in self._entries

    def get(self, key: Hashable) -> SliceEmbedding | None:
        """Return an embedding and mark it as just used."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Hashable, embedding: SliceEmbedding) -> None:
        """Keep an embedding, making room for it."""
        self._discard(key)
        self._entries[key] = embedding
        self._bytes += embedding.nbytes
        while self._bytes > self._budget and len(self._entries) > 1:
            self._discard(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def _discard(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.nbytes
