"""Attributes of one layer that another layer follows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Layer


class Mirror:
    """Keeps attributes of a layer as they are in another one.

    Parameters
    ----------
    source : Layer
        Where they are changed.
    target : Layer
        Where they are copied to, at once and after each change.
    names : tuple of str
        The attributes, each with an event of the same name.
    """

    def __init__(self, source: Layer, target: Layer, names: tuple[str, ...]) -> None:
        self.source, self._target = source, target
        self._handlers = {name: partial(self._copy, name) for name in names}
        for name, handler in self._handlers.items():
            handler()
            getattr(source.events, name).connect(handler)

    def close_at(self, target: Layer) -> bool:
        """End if this is the target; return whether it goes on."""
        if self._target is target:
            self.close()
        return self._target is not target

    def close(self) -> None:
        """Stop following."""
        for name, handler in self._handlers.items():
            getattr(self.source.events, name).disconnect(handler)

    def _copy(self, name: str, _event: Any = None) -> None:
        setattr(self._target, name, getattr(self.source, name))
