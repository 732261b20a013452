"""An annotation shown in a viewer model, without a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import HeadlessView
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.layers.annotation_layers import AnnotationLayers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Labels

SHAPE = (6, 20, 24)


@dataclass
class Shown:
    """An annotation with its layers, and what was told and put off."""

    annotation: Annotation
    viewer: ViewerModel = field(default_factory=ViewerModel)
    told: list[str] = field(default_factory=list)
    put_off: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        data, attributes, _ = image_layer(self.annotation.volume)
        self.image: Image = self.viewer.add_image(data, **attributes)
        view = HeadlessView(self.annotation.geometry)
        self.executor = Executor(self.annotation, view)
        self.open()

    def open(self) -> None:
        """Show the annotation, as a dock does that is opened."""
        self.layers = AnnotationLayers(
            self.viewer,
            self.image,
            self.annotation,
            self.executor.run_plan,
            self.told.append,
            self.put_off.append,
        )

    @property
    def labels(self) -> Labels:
        return self.layers.labels

    def draw_frame(self) -> None:
        """Let happen what waits for the window to draw."""
        while self.put_off:
            self.put_off.pop(0)()

    def check(self) -> None:
        """Assert that what is seen is what would be saved."""
        self.draw_frame()
        drawn = np.asarray(self.labels.data)
        assert drawn.dtype == np.uint8
        labels = self.annotation.labels
        np.testing.assert_array_equal(drawn.reshape(labels.shape), labels)


def make_shown(shape: tuple[int, int, int] = SHAPE, *, is_2d: bool = False) -> Shown:
    data = np.random.default_rng(1).normal(0, 300, shape).astype(np.float32)
    geometry = Geometry.from_spacing(
        shape, (3.0, 1.0, 0.7), (10.0, -4.0, 2.0), is_2d=is_2d
    )
    return Shown(Annotation(Volume.from_geometry(data, geometry, "CT", "small")))


@pytest.fixture
def shown() -> Shown:
    """Return a small annotation with one structure, in a viewer model."""
    made = make_shown()
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 2:8, 4:20] = 22  # L3
    made.annotation.replace_labels(labels)
    return made
