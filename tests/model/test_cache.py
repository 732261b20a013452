from dataclasses import dataclass

from napari_spinalsam.model.cache import embedding_cache


@dataclass(frozen=True)
class Bytes:
    nbytes: int


def test_least_recently_used_leaves_first() -> None:
    cache = embedding_cache(20)
    cache["a"] = Bytes(10)
    cache["b"] = Bytes(10)
    cache.get("a")
    cache["c"] = Bytes(10)
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.get("c") is not None


def test_newest_stays_even_above_the_budget() -> None:
    cache = embedding_cache(5)
    cache["a"] = Bytes(3)
    cache["b"] = Bytes(50)
    assert len(cache) == 1
    assert cache.get("b") == Bytes(50)


def test_replacing_an_entry_counts_its_bytes_once() -> None:
    cache = embedding_cache(20)
    for _ in range(5):
        cache["a"] = Bytes(10)
    cache["b"] = Bytes(10)
    assert len(cache) == 2


def test_cleared_cache_is_empty_and_usable() -> None:
    cache = embedding_cache(20)
    cache["a"] = Bytes(15)
    cache.clear()
    assert len(cache) == 0
    cache["b"] = Bytes(15)
    assert cache.get("b") is not None
