"""The evaluation scores a perfect model with 1 and says what it was asked."""

from __future__ import annotations

import csv
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import MaskPrediction
from tests.training.helpers import SPACING
from training.__main__ import main
from training.common.config import save_config
from training.tiny.config import RunConfig
from training.tiny.dataset import read_labelled
from training.tiny.evaluate import KINDS, evaluate, spread_points, summarise, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.volume import Volume
    from training.tiny.config import ScanConfig


class KnowingSession:
    """Answers with the structure under the prompts, or with nothing at all."""

    def __init__(self, labels: NDArray[np.uint8], *, knows: bool = True) -> None:
        self.labels, self.knows = labels, knows
        self.corrections = 0

    def set_volume(self, volume: Volume) -> None:
        assert volume.data.shape == self.labels.shape

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        *,
        window: object,
        mask_input: NDArray[np.float32] | None = None,
    ) -> MaskPrediction:
        here = plane.take(self.labels)
        if prompts.points:
            label = here[int(prompts.points[0].row), int(prompts.points[0].col)]
        else:
            box = prompts.box
            assert box is not None
            middle = (box.row_min + box.row_max, box.col_min + box.col_max)
            label = here[int(middle[0] / 2), int(middle[1] / 2)]
        self.corrections += mask_input is not None
        mask = (here == label) & self.knows
        return MaskPrediction(
            mask[None],
            np.ones(1, np.float32),
            np.zeros((1, 4, 4), np.float32),
            None,
            0.0,
        )


@pytest.fixture
def scanned(scan: ScanConfig, data: Path) -> tuple[Volume, NDArray[np.uint8]]:
    image, labels = read_labelled(scan, data)
    assert image is not None
    return image, labels.data


def test_the_scan_stays_on_its_own_grid(
    scanned: tuple[Volume, NDArray[np.uint8]],
) -> None:
    image, labels = scanned

    assert image.geometry.spacing == pytest.approx(SPACING[::-1])
    assert labels.shape == image.data.shape == (100, 48, 16)


def test_a_perfect_session_scores_one_everywhere(
    scanned: tuple[Volume, NDArray[np.uint8]],
) -> None:
    image, labels = scanned
    session = KnowingSession(labels)
    rows = evaluate(session, image, labels, every=3)  # type: ignore[arg-type]

    assert {row["plane"] for row in rows} == {"axial", "coronal", "sagittal"}
    assert {row["kind"] for row in rows} == set(KINDS)
    assert {row["label"] for row in rows} == {20, 21, 22}
    assert {row["slice"] % 3 for row in rows} == {0}
    assert {row["dice"] for row in rows} == {row["part_dice"] for row in rows} == {1.0}
    assert session.corrections == 0


def test_a_session_that_finds_nothing_scores_zero_and_is_corrected(
    scanned: tuple[Volume, NDArray[np.uint8]],
) -> None:
    image, labels = scanned
    session = KnowingSession(labels, knows=False)
    rows = evaluate(session, image, labels, every=8)  # type: ignore[arg-type]

    assert {row["dice"] for row in rows} == {0.0}
    assert session.corrections == 2 * len([r for r in rows if r["kind"] == "box"])


def test_the_table_has_the_means_by_plane() -> None:
    row = {"slice": 0, "label": 20, "part_dice": 1.0}
    rows = [
        row | {"plane": "axial", "kind": "box", "dice": 0.8},
        row | {"plane": "axial", "kind": "box", "dice": 0.6},
        row | {"plane": "sagittal", "kind": "box", "dice": 1.0},
    ]
    lines = summarise(rows).splitlines()

    assert lines[0].startswith("| prompt | sagittal | coronal | axial | all | n |")
    assert lines[2] == "| box | 1.000 | - | 0.700 | 0.800 | 3 | 1.000 |"
    assert lines[3] == "| click | - | - | - | - | 0 | - |"
    assert len(lines) == 2 + len(KINDS)


def test_rows_are_written_and_none_are_refused(tmp_path: Path) -> None:
    write_rows([{"plane": "axial", "dice": 0.5}], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"plane": "axial", "dice": "0.5"}]
    with pytest.raises(InputError, match="nothing to write"):
        write_rows([], tmp_path / "none.csv")


def test_spread_points_are_deep_and_apart_in_millimetres() -> None:
    mask = np.zeros((40, 20), bool)
    mask[5:35, 5:15] = True
    points = spread_points(mask, (0.7, 3.0), 3)
    gaps = [np.linalg.norm((a - b) * (0.7, 3.0)) for a, b in pairwise(points)]

    assert all(mask[tuple(at)] for at in points)
    assert min(gaps) > 5


def test_evaluate_on_the_command_line(
    scan: ScanConfig,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_config(RunConfig(scans=(scan,)), tmp_path / "run.yaml")
    _, labels = read_labelled(scan, data)
    session = KnowingSession(labels.data)
    monkeypatch.setattr(
        "napari_spinalsam.model.weights.loading.load_session",
        lambda name, adapter=None: session,
    )
    options = ["--config", str(tmp_path / "run.yaml"), "--data", str(data)]
    options += ["--scan", "blocks", "--every", "10", "--rows", str(tmp_path / "r.csv")]

    assert main(["evaluate", *options]) == 0
    assert "| box | 1.000 | 1.000 | 1.000 | 1.000 |" in capsys.readouterr().out
    assert (tmp_path / "r.csv").exists()
