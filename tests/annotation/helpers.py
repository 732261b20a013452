"""What the tests of the annotation share besides fixtures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.actions.replies import parse_action
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.headless import HeadlessView
from napari_spinalsam.annotation.requests import PredictionRequest
from napari_spinalsam.core.errors import CancelledError
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import MaskPrediction, PointPrompt, Polarity
from napari_spinalsam.core.volume import Volume

if TYPE_CHECKING:
    from napari_spinalsam.annotation.executor import Executor

Ask = Callable[[int, int], bool]
L3, L4 = 22, 23
POINT = PointPrompt(8, 8)
OUTSIDE = PointPrompt(8, 12, Polarity.NEGATIVE)


def stroke(document: Annotation, where: Any, label: int) -> LabelDelta:
    after = document.labels.copy()
    after[where] = label
    return LabelDelta.between(document.labels, after)


def accept_disc(document: Annotation, predict: Ask, name: str = "L3") -> None:
    document.select_structure(name)
    document.add_point(0, 2, POINT)
    predict(0, 2)
    document.accept()


def masks_for(
    document: Annotation, shape: tuple[int, int] = (20, 24)
) -> MaskPrediction:
    masks = np.ones((1, *shape), dtype=np.bool_)
    logits = np.zeros((1, 8, 8), dtype=np.float32)
    return MaskPrediction(masks, np.ones(1, dtype=np.float32), logits, None, 1.0)


def act(name: str, **arguments: Any) -> Any:
    return parse_action({"action": name, **arguments})


class FakeWindow(HeadlessView):
    """A view with dialogs and a mouse, as far as the executor can tell."""

    def __init__(self, document: Annotation) -> None:
        super().__init__(document.geometry)
        self.armed: list[tuple[Any, ...]] = []
        self.views: list[str] = []
        self.busy = False
        self.executor: Executor | None = None

    def arm_tool(
        self, kind: str, polarity: Polarity, count: int, *, then_predict: bool
    ) -> None:
        self.armed.append((kind, polarity.value, count, then_predict))

    def set_views(self, views: str) -> None:
        self.views.append(views)

    def cancel_work(self) -> bool:
        return self.busy

    def save_labels(self, file_format: str) -> str:
        if file_format == "nrrd":
            raise CancelledError("Saving was cancelled.")
        return "labels.nii.gz"

    def open_sample(self) -> str:
        assert self.executor is not None
        assert self.executor.annotation is not None
        volume = self.executor.annotation.volume
        self.executor.annotation = Annotation(
            Volume(volume.data, volume.grid, "CT", "sample")
        )
        return "sample"


@dataclass
class Later:
    """A worker that answers when told to."""

    waits: list[bool] = field(default_factory=list)
    jobs: list[Any] = field(default_factory=list)
    at_once: bool = False

    def request(self, request: PredictionRequest, *, wait: bool = False) -> bool:
        self.waits.append(wait)
        return False

    def submit(self, job: Any) -> Any:
        self.jobs.append(job)
        return None

    def work_ahead(self) -> str:
        return str(self.jobs[-1].step) if self.jobs else ""
