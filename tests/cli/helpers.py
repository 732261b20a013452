"""A session that answers a box with the box, and prompt files for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.prompts import MaskPrediction
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import FoundStructure, Progress, VolumeMask
from napari_spinalsam.model.backends.base import ModelRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.volume import Volume


SHAPE = (10, 20, 30)


WHERE = (slice(1, 4), slice(2, 6))


class FillsTheBox:
    """A session that answers a box with the box."""

    pixel_mm = None

    device = "cpu"

    def __init__(self) -> None:
        self.record = ModelRecord(ModelIdentity("", "box"), "box", "", 0)
        self.windows: list[Window] = []

    @property
    def identity(self) -> ModelIdentity:
        return self.record.identity

    def set_volume(self, volume: Volume) -> None:
        self.volume = volume

    def choose_pixel_mm(self, prompts: Any, window: Window) -> float:
        return 0.35

    def predict(
        self, plane: SlicePlane, prompts: SlicePrompts, /, *, window: Window
    ) -> MaskPrediction:
        self.windows.append(window)
        box = prompts.box
        assert box is not None
        mask = np.zeros(plane.shape, bool)
        rows = slice(round(box.row_min), round(box.row_max) + 1)
        mask[rows, round(box.col_min) : round(box.col_max) + 1] = True
        return MaskPrediction(
            masks=mask[None],
            predicted_iou=np.array([0.75], np.float32),
            low_res_logits=np.zeros((1, 4, 4), np.float32),
            encode_ms=2.0,
            decode_ms=1.0,
        )

    def propagate_all(self, objects: Any, *, window: Window) -> Iterator[Any]:
        yield Progress("working", 0.5)
        whole = VolumeMask(np.ones((2, 3, 4), bool), (slice(5, 7), *WHERE), 0.8)
        yield [whole for _ in objects]

    def find_structures(
        self, names: Any, *, window: Window, anchors: Any
    ) -> Iterator[Any]:
        """Everything but L5 is there, in the first slices."""
        for at, name in enumerate(name for name in names if name != "L5"):
            whole = VolumeMask(
                np.ones((1, 3, 4), bool), (slice(at, at + 1), *WHERE), 0.8
            )
            yield FoundStructure(name, whole, 0.99 if anchors else 0.4)


def boxed(name: str = "L3", **changes: Any) -> dict[str, Any]:
    prompt = {"axis": 2, "index": 7, "box": [[1, 4, 7], [6, 12, 7]]}
    return {"structure": name, "prompts": [prompt], **changes}


def save_prompts(folder: Path, *objects: dict[str, Any]) -> str:
    path = folder / "prompts.json"
    path.write_text(json.dumps({"objects": objects or [boxed()]}))
    return str(path)


RUN = "import sys; from napari_spinalsam.cli import main; sys.exit(main())"
