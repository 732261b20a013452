"""Keys of the Segment dock, bound to the viewer and to the layers that shadow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari import Viewer
    from napari.layers import Layer


class Shortcuts:
    """Binds keys while a dock is open.

    A layer's keymap shadows the viewer's, so that each key is bound to the viewer
    and to the annotation's own layers.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the keys work.
    commands : mapping of str to callable
        Key to what it does.
    """

    def __init__(
        self, viewer: Viewer, commands: Mapping[str, Callable[[], object]]
    ) -> None:
        self._viewer, self._commands = viewer, commands
        self._bound: WeakSet[Layer] = WeakSet()
        self._bind(viewer)

    def bind_layer(self, layer: Layer) -> None:
        """Let the keys work while this layer is the active one."""
        if layer not in self._bound:
            self._bind(layer)
            self._bound.add(layer)

    def release(self) -> None:
        """Take the keys from the viewer."""
        for key in self._commands:
            self._viewer.bind_key(key, None, overwrite=True)

    def _bind(self, target: Any) -> None:
        for key, command in self._commands.items():
            target.bind_key(key, _as_binding(command), overwrite=True)


def _as_binding(command: Callable[[], object]) -> Callable[[Any], None]:
    def run(_target: Any) -> None:
        command()

    return run
