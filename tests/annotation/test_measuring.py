import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.statistics import measure, measure_report
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.volume import Volume

VOXEL_ML = 3.0 * 1.0 * 0.7 / 1000


@pytest.fixture
def measured(document: Annotation) -> Annotation:
    labels = np.zeros(document.geometry.shape, dtype=np.uint8)
    labels[1:4, 3:9, 3:9] = 22
    labels[1:4, 10:14, 3:9] = 23
    document.replace_labels(labels)
    return document


def test_volumes_need_no_reference(measured: Annotation) -> None:
    entries = measure(measured)
    assert [(e.structure, e.label) for e in entries] == [("L3", 22), ("L4", 23)]
    assert [e.size for e in entries] == pytest.approx([108 * VOXEL_ML, 72 * VOXEL_ML])
    assert all(e.agreement is None for e in entries)
    report = measure_report(measured)
    assert report.columns == ("Structure", "Volume (mL)")
    assert report.rows == (("L3", "0.23"), ("L4", "0.15"))


def test_agreement_is_measured_against_the_reference(measured: Annotation) -> None:
    reference = np.zeros(measured.geometry.shape, dtype=np.uint8)
    reference[1:4, 4:9, 3:9] = 22
    reference[5, 0, 0] = 61
    measured.set_reference(reference)
    l3, l4, canal = measure(measured)
    assert l3.agreement is not None
    assert l3.agreement.dice == dice(measured.labels == 22, reference == 22)
    assert l3.agreement.hd95_mm == pytest.approx(1.0)
    assert l4.agreement is not None
    assert (l4.agreement.dice, l4.agreement.msd_mm) == (0.0, None)
    assert (canal.structure, canal.size) == ("spinal_canal", 0.0)
    report = measure_report(measured, ("dice", "msd"), "l4")
    assert report.columns == ("Structure", "Dice", "MSD (mm)")
    # L4 is not in the reference and in no mean, the canal was missed and counts 0.
    assert measure_report(measured, ("dice", "volume")).rows[-1] == (
        "mean",
        f"{l3.agreement.dice / 2:.3f}",
        f"{l3.size / 2:.2f}",
    )
    assert report.rows == (("L4", "0.000", "-"),)


def test_what_cannot_be_measured_is_said(
    document: Annotation, measured: Annotation
) -> None:
    with pytest.raises(InputError, match="no reference"):
        measure_report(measured, ("dice",))
    with pytest.raises(InputError, match="L5 has no labels"):
        measure(measured, "L5")
    document.undo()
    with pytest.raises(InputError, match="There are no labels"):
        measure(document)


def test_a_flat_image_is_measured_as_an_area_with_its_outline() -> None:
    geometry = Geometry.from_spacing((1, 20, 30), (1.0, 2.0, 0.5), is_2d=True)
    data = np.zeros(geometry.shape, dtype=np.float32)
    document = Annotation(Volume.from_geometry(data, geometry))
    labels, reference = (np.zeros(geometry.shape, np.uint8) for _ in range(2))
    labels[0, 2:12, 5:25] = reference[0, 2:11, 5:25] = 22
    document.replace_labels(labels)
    document.set_reference(reference)
    (entry,) = measure(document)
    assert entry.size == pytest.approx(200.0)
    assert entry.agreement is not None
    assert entry.agreement.hd_mm == pytest.approx(2.0)
    assert "Area (mm2)" in measure_report(document).columns
