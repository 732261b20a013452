import errno
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_spinalsam import __version__
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.headless import DirectPrediction
from napari_spinalsam.annotation.provenance import (
    LabelEvent,
    MaskWritten,
    ValuesExchanged,
    VoxelsWritten,
    events_of,
)
from napari_spinalsam.annotation.storage.files import (
    open_annotation,
    read_summary,
    save_annotation,
)
from napari_spinalsam.annotation.storage.replay import replay
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import PRESETS, Window
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, SlicePrompts
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyConfig
from napari_spinalsam.model.session import SegmentationSession
from tests.annotation.helpers import L3, L4, OUTSIDE, POINT, Ask, accept_disc, stroke

DATA = Path(__file__).parent / "data"
NOON = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)


def small_session(seed: int = 0) -> SegmentationSession:
    """Return a session with a small untrained network that draws patterns."""
    torch.manual_seed(seed)
    network = SpinalSamTiny(TinyConfig((8, 8, 8, 8), (1, 1, 1, 1), (8, 8, 8)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    record = ModelRecord(
        ModelIdentity(f"{seed}" * 64, "test-net"), "spinalsam-tiny", "none", 1
    )
    return SegmentationSession(TinyBackend(network, record, "cpu"))


def saved(document: Annotation, folder: Path) -> Path:
    path = folder / "case.spinalsam"
    save_annotation(document, path)
    return path


def reopened(document: Annotation, folder: Path) -> Annotation:
    return open_annotation(saved(document, folder), document.volume)


def told(event: LabelEvent) -> object:
    """Return an event in a form that can be compared."""
    if isinstance(event, VoxelsWritten):
        runs = event.runs
        return (
            event.step,
            event.model,
            [a.tolist() for a in (runs.starts, runs.lengths, runs.values)],
        )
    if isinstance(event, MaskWritten):
        return event.structure, event.origin
    return event.step, event.values


def assert_same(one: Annotation, other: Annotation) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    for mine, its in zip(one.state.objects, other.state.objects, strict=True):
        assert mine == its
    assert one.state.selected == other.state.selected
    assert one.state.window == other.state.window
    events = [[told(e) for e in events_of(d.state.record)] for d in (one, other)]
    assert events[0] == events[1]


@pytest.fixture
def worked(document: Annotation, predict: Ask) -> Annotation:
    """Return an annotation with a bit of everything."""
    document.clock = lambda: NOON
    document.use_model(ModelIdentity("a" * 64, "net", "spine", "b" * 64))
    document.set_window(PRESETS["disc"])
    accept_disc(document, predict)
    document.add_point(0, 2, OUTSIDE)
    predict(0, 2)
    document.next_candidate()
    document.accept()
    document.paint(stroke(document, (3, slice(2, 6), slice(1, 9)), L4))
    document.rename_object("L4", "L5")
    document.set_visible("L5", False)
    document.set_locked("T13", True)
    document.select_structure("L4")
    document.set_box(1, 5, BoxPrompt(1, 0.1 + 0.2, 4, 1 / 3))
    document.add_point(2, 7, PointPrompt(5e-324, -0.0))
    document.add_point(0, 4, POINT)
    predict(0, 4)
    return document


def test_what_is_saved_is_opened(worked: Annotation, tmp_path: Path) -> None:
    again = reopened(worked, tmp_path)
    assert_same(worked, again)
    assert again.state.preview is None
    assert again.prompts_at(0, 4).points == (POINT,)
    assert not again.history.can_undo
    assert not again.state.object_of("L5").visible
    assert again.state.object_of("T13").locked


def test_work_goes_on_after_opening(worked: Annotation, tmp_path: Path) -> None:
    again = reopened(worked, tmp_path)
    again.paint(stroke(again, (5, 1, 1), L3))
    again.undo()
    assert_same(worked, again)
    again.redo()
    again.delete_object("L3")
    assert_same(again, reopened(again, tmp_path))


def test_each_mask_tells_how_it_was_made(worked: Annotation, tmp_path: Path) -> None:
    events = events_of(reopened(worked, tmp_path).state.record)
    first, second, painted, renamed = events
    assert isinstance(first, MaskWritten)
    assert isinstance(second, MaskWritten)
    assert isinstance(painted, VoxelsWritten)
    assert isinstance(renamed, ValuesExchanged)
    origin = second.origin
    assert [q.prompts.points for q in origin.questions] == [(POINT, OUTSIDE)]
    assert origin.questions[-1].chosen == 1
    assert origin.model == ModelIdentity("a" * 64, "net", "spine", "b" * 64)
    assert origin.window == PRESETS["disc"]
    assert origin.time == "2026-11-22T12:00:05+00:00"
    assert origin.version == __version__
    assert origin.predicted_iou == pytest.approx(0.7)


def test_a_refined_mask_tells_all_questions_that_led_to_it(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    document.next_candidate()
    document.add_point(0, 2, OUTSIDE)
    predict(0, 2)
    document.accept()
    (event,) = events_of(document.state.record)
    assert isinstance(event, MaskWritten)
    asked = [(len(q.prompts.points), q.chosen) for q in event.origin.questions]
    assert asked == [(1, 1), (2, 0)]


def test_what_is_undone_is_not_recorded(document: Annotation, predict: Ask) -> None:
    accept_disc(document, predict)
    with document.group("Plan"):
        document.undo()
        document.paint(stroke(document, (0, 0, 0), L4))
    document.paint(stroke(document, (0, 0, 1), L4))
    document.undo()
    assert [told(e) for e in events_of(document.state.record)] == [
        ("Paint", None, [[0], [1], [L4]])
    ]
    document.undo()
    assert isinstance(events_of(document.state.record)[0], MaskWritten)


def test_a_file_of_the_first_version_of_the_format_opens() -> None:
    data = np.arange(6 * 20 * 24, dtype=np.int16).reshape(6, 20, 24)
    geometry = Geometry.from_spacing(data.shape, (3.0, 1.0, 0.7))
    volume = Volume.from_geometry(data, geometry, "CT", "steps")
    again = open_annotation(DATA / "version1.spinalsam", volume)
    counts = np.bincount(again.labels.ravel(), minlength=25)
    assert (counts[L3], counts[L4], counts[24]) == (29, 0, 32)
    assert again.prompts_at(1, 5).box == BoxPrompt(1, 2, 4, 3)
    assert again.state.object_of("L5").locked
    assert len(events_of(again.state.record)) == 3


def test_an_annotation_knows_where_it_is_saved_and_whether_all_of_it_is(
    document: Annotation, tmp_path: Path
) -> None:
    storage = document.storage
    assert storage.file is None
    document.select_structure("L3")
    assert storage.has_all_of(document.state)  # nothing to save yet
    document.paint(stroke(document, (0, 0, 0), L3))
    assert not storage.has_all_of(document.state)
    path = saved(document, tmp_path)
    assert storage.file is not None
    assert storage.file.path == path
    assert storage.has_all_of(document.state)
    document.paint(stroke(document, (0, 0, 1), L3))
    again = open_annotation(path, document.volume)
    assert not storage.has_all_of(document.state)
    document.undo()
    assert storage.has_all_of(document.state)
    assert again.storage.file == storage.file
    assert again.storage.has_all_of(again.state)
    assert not storage.file.was_replaced
    save_annotation(again, path)
    assert storage.file.was_replaced
    assert again.storage.file is not None
    assert not again.storage.file.was_replaced


def test_a_summary_needs_no_labels(worked: Annotation, tmp_path: Path) -> None:
    summary = read_summary(saved(worked, tmp_path))
    assert summary.image.name == "small"
    assert summary.image.sha256 == worked.image.sha256
    assert summary.image.geometry.same_grid(worked.geometry)
    assert (summary.saved, summary.program) == (NOON.isoformat(), __version__)
    objects = [(o.name, o.accepted, o.pending, o.locked) for o in summary.objects]
    assert objects == [
        ("T13", 0, 0, True),
        ("L3", 1, 0, False),
        ("L4", 0, 3, False),
        ("L5", 0, 0, False),
    ]


def test_a_moved_and_renamed_image_is_recognised(
    worked: Annotation, tmp_path: Path
) -> None:
    path = saved(worked, tmp_path)
    volume = worked.volume
    for data in (np.asfortranarray(volume.data), volume.data.astype(">f8")):
        again = open_annotation(path, replace(volume, data=data, name="elsewhere"))
        assert_same(worked, again)


def test_the_file_holds_no_path(worked: Annotation, tmp_path: Path) -> None:
    volume = replace(worked.volume, name="/home/someone/clinic/ct.nii.gz")
    path = saved(Annotation(volume), tmp_path)
    text = path.read_bytes() + zipfile.ZipFile(path).read("annotation.json")
    assert b"ct.nii.gz" in text
    assert b"someone" not in text
    assert str(tmp_path).encode() not in text


def test_numpy_reads_the_labels(worked: Annotation, tmp_path: Path) -> None:
    with np.load(saved(worked, tmp_path)) as arrays:
        np.testing.assert_array_equal(arrays["labels"], worked.labels)


def test_another_image_is_refused_by_name(worked: Annotation, tmp_path: Path) -> None:
    path = saved(worked, tmp_path)
    volume = worked.volume
    data = volume.data.copy()
    data[0, 0, 0] += 1
    with pytest.raises(
        InputError, match=r"made on small \(.*, not on other \(.*same grid but other"
    ):
        open_annotation(path, replace(volume, data=data, name="other"))
    moved = Geometry.from_spacing(data.shape, (3.0, 1.0, 0.8))
    with pytest.raises(InputError, match="lies elsewhere or has another spacing"):
        open_annotation(path, Volume.from_geometry(volume.data, moved))
    with pytest.raises(InputError, match="has 6 x 20 x 23 voxels instead of 6 x 20 x"):
        open_annotation(
            path,
            Volume(data[:, :, 1:], FileGrid((23, 20, 6), volume.grid.affine)),
        )


def test_a_cut_file_is_refused_in_one_sentence(
    worked: Annotation, tmp_path: Path
) -> None:
    whole = saved(worked, tmp_path).read_bytes()
    path = tmp_path / "cut.spinalsam"
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        for read in (read_summary, lambda p: open_annotation(p, worked.volume)):
            with pytest.raises(InputError, match=r"cut\.spinalsam is no saved anno"):
                read(path)


def test_a_damaged_file_is_refused_or_as_it_was(
    worked: Annotation, tmp_path: Path
) -> None:
    whole = saved(worked, tmp_path).read_bytes()
    path = tmp_path / "hurt.spinalsam"
    refused = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        )
        try:
            again = open_annotation(path, worked.volume)
        except InputError:
            refused += 1
        else:
            assert_same(worked, again)
    assert refused > len(whole) / 7 / 2


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("selected",), "L9"),
        (("objects", 0, "name"), "l3"),
        (("objects", 1, "name"), "T13"),
        (("objects", 1, "accepted", 0, "origin"), 7),
        (("objects", 2, "prompts", 0, "index"), 99),
        (("origins", 0, "model"), 3),
        (("events", 2, "runs"), 9),
        (("image", "affine"), [[0.0] * 4] * 4),
        (("image", "shape"), [6, 20, 25]),
        (("window", "width"), 0.0),
        (("objects",), []),
        (("unknown",), 1),
        (("program",), 3),
    ],
)
def test_data_that_do_not_fit_together_are_refused(
    worked: Annotation, tmp_path: Path, place: tuple[str | int, ...], value: object
) -> None:
    path = rewritten(saved(worked, tmp_path), place, value)
    with pytest.raises(InputError, match=r"damaged|instead of"):
        open_annotation(path, worked.volume)


def test_a_newer_version_is_refused_by_its_number(
    worked: Annotation, tmp_path: Path
) -> None:
    path = rewritten(saved(worked, tmp_path), ("version",), 2)
    path = rewritten(path, ("program",), "7.1")
    for read in (read_summary, lambda p: open_annotation(p, worked.volume)):
        with pytest.raises(
            InputError, match=r"by version 7\.1 .* file version 2.*: update napari-spin"
        ):
            read(path)


def rewritten(path: Path, place: tuple[str | int, ...], value: object) -> Path:
    """Change one value in the JSON of a file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members["annotation.json"])
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    members["annotation.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_what_cannot_be_opened_or_written_is_named(
    worked: Annotation, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"absent\.spinalsam cannot be read"):
        read_summary(tmp_path / "absent.spinalsam")
    with pytest.raises(InputError, match="cannot be read"):
        read_summary(tmp_path)
    with pytest.raises(InputError, match=r"case\.zip does not end with \.spinalsam"):
        save_annotation(worked, tmp_path / "case.zip")
    with pytest.raises(InputError, match="cannot be written"):
        save_annotation(worked, tmp_path / "absent" / "case.spinalsam")


def test_a_full_disk_leaves_the_old_file(
    worked: Annotation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(worked, tmp_path)
    old = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    worked.set_window(Window(1, 2))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_annotation(worked, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_abandoned_drafts_go(
    worked: Annotation, tmp_path: Path
) -> None:
    path = saved(worked, tmp_path)
    link = tmp_path / "link.spinalsam"
    link.symlink_to(path)
    drafts = [tmp_path / f".case.spinalsam.{n}.part" for n in ("old", "new")]
    for draft in drafts:
        draft.touch()
    os.utime(drafts[0], (0, 0))
    save_annotation(worked, link)
    assert link.is_symlink()
    assert not drafts[0].exists()
    assert drafts[1].exists()


def test_a_write_protected_file_is_not_replaced(
    worked: Annotation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(worked, tmp_path)
    old = path.read_bytes()
    # For root, whom some run tests as, nothing is protected.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"case\.spinalsam .*write-protected"):
        save_annotation(worked, path)
    assert path.read_bytes() == old


def test_drafts_are_found_whatever_the_file_is_called(
    worked: Annotation, tmp_path: Path
) -> None:
    draft = tmp_path / ".case [1].spinalsam.old.part"
    draft.touch()
    os.utime(draft, (0, 0))
    save_annotation(worked, tmp_path / "case [1].spinalsam")
    assert not draft.exists()


KILL_AT_EVERY_MOMENT = """
import os, signal, sys
import numpy as np
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.volume import Volume

path, stride = sys.argv[1], 61
shape = (6, 20, 24)
data = np.random.default_rng(0).normal(0, 300, shape).astype(np.float32)
volume = Volume.from_geometry(data, Geometry.from_spacing(shape, (3.0, 1.0, 0.7)))
document = Annotation(volume)
found, killed, value = [], True, 0
save_annotation(document, path)
while killed:
    value = value % 5 + 20
    document.replace_labels(np.full(shape, value, np.uint8))
    child = os.fork()
    if child == 0:
        moments = stride * len(found)

        def trace(*_):
            global moments
            moments -= 1
            if moments < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        save_annotation(document, path)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    labels = open_annotation(path, volume).labels
    assert labels.min() == labels.max()
    found.append(int(labels[0, 0, 0]) == value)
print(len(found), sum(found))
"""


@pytest.mark.skipif(os.name != "posix", reason="forks and kills")
def test_a_process_killed_at_any_moment_leaves_the_old_file_or_the_new(
    tmp_path: Path,
) -> None:
    path = tmp_path / "case.spinalsam"
    done = subprocess.run(
        [sys.executable, "-c", KILL_AT_EVERY_MOMENT, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saves, new = (int(number) for number in done.stdout.split())
    assert 1 < new < saves
    assert len(list(tmp_path.glob(".*.part"))) > 10, "nobody was killed while writing"


def annotate_at_random(document: Annotation, session: SegmentationSession) -> None:
    """Prompt, refine, choose, accept, paint and rename, from a fixed seed."""
    document.use_model(session.identity)
    session.set_volume(document.volume)
    port = DirectPrediction(document, session)
    rng = np.random.default_rng(3)
    for round_ in range(24):
        document.select_structure(["L3", "L4", "T13"][round_ % 3])
        axis = int(rng.integers(3))
        index = int(rng.integers(document.geometry.shape[axis]))
        rows, cols = document.geometry.plane(axis, index).shape
        for _ in range(int(rng.integers(1, 4))):
            place = PointPrompt(rng.uniform(0, rows - 1), rng.uniform(0, cols - 1))
            document.add_point(axis, index, place)
            port.request(document.prediction_request(axis, index))
            document.next_candidate(int(rng.integers(3)))
        try:
            document.accept()
        except InputError:
            document.reject()
        if round_ % 3 == 0:
            where = tuple(slice(int(n), int(n) + 2) for n in rng.integers(0, 5, 3))
            document.paint(stroke(document, where, int(rng.choice([0, L3, L4]))))
        if round_ == 5:
            document.rename_object("T13", "L5")
            document.set_window(PRESETS["full"])
        if round_ % 4 == 2:
            document.undo(2)
    document.merge_objects("L4", "L3")


@pytest.fixture(scope="module")
def drawn() -> Annotation:
    """Return an annotation made at random with a small network."""
    data = np.random.default_rng(1).normal(0, 300, (6, 20, 24)).astype(np.float32)
    geometry = Geometry.from_spacing(data.shape, (3.0, 1.0, 0.7))
    document = Annotation(Volume.from_geometry(data, geometry, "CT", "small"))
    annotate_at_random(document, small_session())
    return document


def test_replay_gives_the_same_labels_bit_for_bit(
    drawn: Annotation, tmp_path: Path
) -> None:
    masks = [e for e in events_of(drawn.state.record) if isinstance(e, MaskWritten)]
    assert len(masks) > 6
    assert any(len(event.origin.questions) > 1 for event in masks)
    assert 0 < np.count_nonzero(drawn.labels) < drawn.labels.size
    session = small_session()
    session.set_volume(drawn.volume)
    path = saved(drawn, tmp_path)
    again = open_annotation(path, drawn.volume)
    labels = replay(path, drawn.volume, session)
    np.testing.assert_array_equal(labels, drawn.labels)
    again.paint(stroke(again, (5, 3, 3), L4))
    labels = replay(saved(again, tmp_path), drawn.volume, session)
    np.testing.assert_array_equal(labels, again.labels)


def test_replay_refuses_another_model_unless_told(
    drawn: Annotation, tmp_path: Path
) -> None:
    path = saved(drawn, tmp_path)
    other = small_session(1)
    other.set_volume(drawn.volume)
    with pytest.raises(
        InputError, match=r"L3 on slice \d+ was made by test-net \(0{12}\), not by"
    ):
        replay(path, drawn.volume, other)
    labels = replay(path, drawn.volume, other, any_model=True)
    assert labels.any()
    assert not np.array_equal(labels, drawn.labels)


def test_replay_refuses_masks_of_an_unknown_model(
    document: Annotation, predict: Ask, tmp_path: Path
) -> None:
    accept_disc(document, predict)
    session = small_session()
    session.set_volume(document.volume)
    with pytest.raises(InputError, match="made by an unknown model"):
        replay(saved(document, tmp_path), document.volume, session)


def test_prompts_of_an_accepted_slice_may_be_removed(
    document: Annotation, predict: Ask, tmp_path: Path
) -> None:
    accept_disc(document, predict)
    document.set_prompts(SlicePrompts(0, 2))
    again = reopened(document, tmp_path)
    assert again.prompts_at(0, 2).is_empty
    assert_same(document, again)
