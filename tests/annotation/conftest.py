"""A small document on an anisotropic grid, and a model that draws discs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import DirectPrediction, HeadlessView
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, SlicePlane
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import MaskPrediction, Polarity, SlicePrompts
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.refinement import as_points_and_box
from napari_spinalsam.core.results import Progress
from napari_spinalsam.core.volume import Volume
from tests.annotation.helpers import L3, L4, FakeWindow

SHAPE = (6, 20, 24)
SPACING = (3.0, 1.0, 0.7)


@dataclass
class DiscPredictor:
    """Discs around the positive points, of three sizes, or the box."""

    identity = ModelIdentity("0" * 64, "discs", "", "")
    radii: tuple[float, ...] = (3.0, 2.0, 4.5)
    calls: list[tuple[SlicePrompts, NDArray[np.float32] | None]] = field(
        default_factory=list
    )
    starts: list[NDArray[np.bool_] | None] = field(default_factory=list)

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: NDArray[np.float32] | None = None,
        start: NDArray[np.bool_] | None = None,
    ) -> MaskPrediction:
        self.calls.append((prompts, mask_input))
        self.starts.append(start)
        asked = as_points_and_box(prompts, plane.spacing)
        rows, cols = np.indices(plane.shape)
        masks = np.zeros((len(self.radii), *plane.shape), dtype=np.bool_)
        for mask, radius in zip(masks, self.radii, strict=True):
            if (box := asked.box) is not None:
                mask |= (
                    (box.row_min <= rows)
                    & (rows <= box.row_max)
                    & (box.col_min <= cols)
                    & (cols <= box.col_max)
                )
            for point in asked.points:
                disc = np.hypot(rows - point.row, cols - point.col) <= radius
                mask[disc] = point.polarity is Polarity.POSITIVE
        logits = np.full((len(masks), 8, 8), len(self.calls), dtype=np.float32)
        iou = np.linspace(0.9, 0.5, len(masks), dtype=np.float32)
        return MaskPrediction(masks, iou, logits, 1.0, 1.0)

    def find_structures(self, names: Sequence[str], **_: object) -> Iterator[Progress]:
        yield Progress("looking for the spine", 0.5)
        raise InputError("This model finds no structures: place a prompt.")


@pytest.fixture
def geometry() -> Geometry:
    return Geometry.from_spacing(SHAPE, SPACING, translate=(10.0, -4.0, 2.0))


@pytest.fixture
def document(geometry: Geometry) -> Annotation:
    data = np.random.default_rng(1).normal(0, 300, SHAPE).astype(np.float32)
    return Annotation(Volume.from_geometry(data, geometry, "CT", "small"))


@pytest.fixture
def predictor() -> DiscPredictor:
    return DiscPredictor()


@pytest.fixture
def predict(
    document: Annotation, predictor: DiscPredictor
) -> Callable[[int, int], bool]:
    port = DirectPrediction(document, predictor)

    def ask(axis: int, index: int) -> bool:
        return port.request(document.prediction_request(axis, index))

    return ask


@pytest.fixture
def executor(document: Annotation, predictor: DiscPredictor) -> Executor:
    view = HeadlessView(document.geometry)
    return Executor(document, view, DirectPrediction(document, predictor))


@pytest.fixture
def window(executor: Executor, document: Annotation) -> FakeWindow:
    view = FakeWindow(document)
    view.executor = executor
    executor.view = view
    return view


@pytest.fixture
def labelled(document: Annotation) -> Annotation:
    labels = np.zeros(document.geometry.shape, dtype=np.uint8)
    labels[1:5, 2:8, 4:20] = L3
    labels[1:5, 10:18, 4:20] = L4
    document.replace_labels(labels)
    return document
