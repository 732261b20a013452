"""Embeddings in memory, the least recently used leaving first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari_spinalsam.model.backends.base import SliceEmbedding


def embedding_cache(budget: int) -> LRUCache[Hashable, SliceEmbedding]:
    """Return an empty cache that keeps embeddings up to a memory budget.

    Parameters
    ----------
    budget : int
        Bytes; the newest embedding is kept, alone, even if it is larger.
    """

    def size(embedding: SliceEmbedding) -> int:
        return min(embedding.nbytes, budget)

    return LRUCache(budget, getsizeof=size)
