import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.storage.autosave import (
    INTERVAL_SECONDS,
    Autosave,
    discard,
    find_recoverable,
    recover,
    recovery_folder,
)
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import VolumeMask
from napari_spinalsam.core.volume import FileGrid, Volume
from tests.annotation.helpers import L3, L4, POINT, Ask, accept_disc, stroke


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "recovery"


@pytest.fixture
def autosave(document: Annotation, folder: Path, clock: Clock) -> Iterator[Autosave]:
    autosave = Autosave(folder, clock)
    autosave.follow(document)
    yield autosave
    autosave.close()


def test_an_accepted_mask_is_saved_at_once(
    document: Annotation, predict: Ask, autosave: Autosave
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    assert not autosave.due()
    document.accept()
    assert autosave.due()
    autosave.save()
    assert not autosave.due()
    assert autosave.path is not None
    again = open_annotation(autosave.path, document.volume)
    np.testing.assert_array_equal(again.labels, document.labels)


def test_what_a_model_has_propagated_is_saved_at_once(
    document: Annotation, autosave: Autosave
) -> None:
    box = (slice(1, 4), slice(2, 6), slice(3, 9))
    mask = VolumeMask(np.ones((3, 4, 6), np.bool_), box, 0.9)
    document.paint(stroke(document, (0, 0, 0), L3))
    assert not autosave.due()
    document.write_masks({"L4": mask}, "Find L4", ModelIdentity("a" * 64))
    assert autosave.due()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.add_point(0, 2, POINT),
        lambda d: d.paint(stroke(d, (1, 1, 1), L3)),
        lambda d: d.set_locked("L3", True),
    ],
    ids=["prompt", "stroke", "lock"],
)
def test_any_change_is_saved_within_a_minute(
    document: Annotation,
    autosave: Autosave,
    clock: Clock,
    change: Callable[[Annotation], object],
) -> None:
    document.select_structure("L3")
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.save()
    change(document)
    assert not autosave.due()
    clock.now += INTERVAL_SECONDS / 2
    document.select_structure("L4")  # later changes do not put it off
    clock.now += INTERVAL_SECONDS / 2
    assert autosave.due()
    assert not autosave.due(clock.now - 1)
    autosave.save()
    assert not autosave.due()


def test_what_is_no_work_is_not_saved(
    document: Annotation, autosave: Autosave, clock: Clock, folder: Path
) -> None:
    document.select_structure("L3")
    clock.now += 10 * INTERVAL_SECONDS
    assert not autosave.due()
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.save()
    document.set_reference(document.labels)
    clock.now += 10 * INTERVAL_SECONDS
    assert not autosave.due()
    document.undo(2)  # an older file would bring back what was undone
    clock.now += INTERVAL_SECONDS
    assert autosave.due()


def test_the_job_writes_what_was_there_when_it_was_prepared(
    document: Annotation, predict: Ask, autosave: Autosave
) -> None:
    accept_disc(document, predict)
    labels = document.labels.copy()
    job = autosave.prepare()
    document.undo()
    assert autosave.due()
    job()
    assert autosave.path is not None
    again = open_annotation(autosave.path, document.volume)
    np.testing.assert_array_equal(again.labels, labels)


def test_own_files_are_not_offered_before_the_end(
    document: Annotation, predict: Ask, autosave: Autosave, folder: Path
) -> None:
    assert find_recoverable(folder) == ()
    accept_disc(document, predict)
    autosave.save()
    path = autosave.path
    assert find_recoverable(folder) == ()
    autosave.close()
    (found,) = find_recoverable(folder)
    assert found.path == path
    assert found.summary is not None
    assert found.summary.image.name == "small"
    assert found.summary.objects[0].accepted == 1
    discard(found)
    assert list(folder.iterdir()) == []


def test_discarded_work_leaves_no_file(
    document: Annotation, predict: Ask, autosave: Autosave, folder: Path
) -> None:
    accept_disc(document, predict)
    autosave.discard()
    assert not autosave.due()
    document.undo()
    document.redo()
    autosave.save()
    autosave.discard()
    autosave.close()
    assert list(folder.iterdir()) == []


def test_two_windows_on_one_image_do_not_write_the_same_file(
    document: Annotation, predict: Ask, autosave: Autosave, folder: Path
) -> None:
    other_document = Annotation(document.volume)
    other = Autosave(folder)
    other.follow(other_document)
    accept_disc(document, predict)
    other_document.paint(stroke(other_document, (0, 0, 0), L3))
    autosave.save()
    other.save()
    assert autosave.path != other.path
    other.close()
    (found,) = find_recoverable(folder)
    again = open_annotation(found.path, document.volume)
    assert np.count_nonzero(again.labels) == 1


def test_what_is_unsaved_is_saved_before_another_image_or_the_end(
    document: Annotation, autosave: Autosave, folder: Path
) -> None:
    other = Annotation(replace(document.volume, data=document.volume.data + 1))
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.follow(other)
    other.paint(stroke(other, (0, 0, 0), L3))
    autosave.close()
    assert len(find_recoverable(folder)) == 2


def test_each_image_has_its_file_and_is_found_by_it(
    document: Annotation, autosave: Autosave, folder: Path
) -> None:
    data = document.volume.data + 1
    other = Annotation(replace(document.volume, data=data, name="other"))
    for each in (document, other):
        autosave.follow(each)
        each.paint(stroke(each, (0, 0, 0), L3))
        autosave.save()
    document.paint(stroke(document, (0, 0, 1), L3))
    assert not autosave.due(1e9)  # it is not followed any more
    autosave.close()
    assert len(find_recoverable(folder)) == 2
    (found,) = find_recoverable(folder, other.image)
    assert found.summary is not None
    assert found.summary.image.name == "other"


def test_a_failed_save_is_tried_again_after_a_minute(
    document: Annotation, predict: Ask, autosave: Autosave, clock: Clock, folder: Path
) -> None:
    folder.parent.mkdir()
    folder.touch()
    accept_disc(document, predict)
    with pytest.raises(InputError, match=r"recovery folder .* cannot be used"):
        autosave.save()
    assert not autosave.due()
    clock.now += INTERVAL_SECONDS
    assert autosave.due()
    folder.unlink()
    autosave.save()
    assert not autosave.due()


def test_a_file_that_cannot_be_read_is_listed_with_the_reason(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "abc-def.spinalsam").write_bytes(b"PK")
    (found,) = find_recoverable(folder)
    assert found.summary is None
    assert "is no saved annotation" in found.problem


def test_saving_needs_an_annotation(folder: Path) -> None:
    with pytest.raises(InputError, match="open an image first"):
        Autosave(folder).save()


def test_the_usual_folder_belongs_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_SPINALSAM_RECOVERY", raising=False)
    assert recovery_folder().name == "recovery"
    assert recovery_folder().parent.name == "napari-spinalsam"
    assert recovery_folder().is_relative_to(Path.home())


def left_behind(document: Annotation, folder: Path) -> Annotation:
    """Let a process that is gone have left the labels of a document unsaved."""
    autosave = Autosave(folder)
    autosave.follow(document)
    document.paint(stroke(document, (0, slice(0, 5), 0), L3))
    autosave.close()
    return document


def test_what_was_recovered_stays_until_it_is_saved(
    document: Annotation, folder: Path, tmp_path: Path
) -> None:
    left_behind(document, folder)
    (found,) = find_recoverable(folder)
    for _ in range(2):  # the program ends twice before anything is saved
        again = recover(found, document.volume)
        autosave = Autosave(folder)
        autosave.follow(again)
        np.testing.assert_array_equal(again.labels, document.labels)
        assert autosave.path == found.path
        assert not autosave.due(1e9)  # all is there
        assert find_recoverable(folder) == ()  # nobody else is offered it
        autosave.close()
        (found,) = find_recoverable(folder)

    again = recover(found, document.volume)
    autosave.follow(again)
    again.paint(stroke(again, (5, 5, 5), L4))
    autosave.save()
    assert autosave.path == found.path
    save_annotation(again, tmp_path / "case.spinalsam")
    autosave.discard()
    autosave.close()
    assert list(folder.iterdir()) == []


def test_what_another_window_goes_on_with_can_be_neither_recovered_nor_discarded(
    document: Annotation, folder: Path
) -> None:
    left_behind(document, folder)
    (found,) = find_recoverable(folder)
    autosave = Autosave(folder)
    again = recover(found, document.volume)
    autosave.follow(again)
    for act in (lambda: recover(found, document.volume), lambda: discard(found)):
        with pytest.raises(InputError, match="Another window goes on with this work"):
            act()
    again.paint(stroke(again, (5, 5, 5), L4))
    autosave.close()
    with pytest.raises(InputError, match="has gone on with this work since"):
        discard(found)
    (found,) = find_recoverable(folder)
    assert open_annotation(found.path, document.volume).labels[5, 5, 5] == L4


def test_what_cannot_be_opened_stays_and_belongs_to_nobody(
    document: Annotation, folder: Path
) -> None:
    left_behind(document, folder)
    (found,) = find_recoverable(folder)
    with pytest.raises(InputError, match="other voxels"):
        recover(found, replace(document.volume, data=document.volume.data + 1))
    found.path.write_bytes(found.path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cut off"):
        recover(found, document.volume)
    assert [each.path for each in find_recoverable(folder)] == [found.path]


def test_two_annotations_of_one_image_never_share_a_file(
    document: Annotation, autosave: Autosave, folder: Path, tmp_path: Path
) -> None:
    document.paint(stroke(document, (0, 0, 0), L3))
    save_annotation(document, tmp_path / "case.spinalsam")
    document.paint(stroke(document, (0, 0, slice(0, 3)), L3))
    autosave.save()
    other = open_annotation(tmp_path / "case.spinalsam", document.volume)
    autosave.follow(other)
    other.paint(stroke(other, (0, 0, 1), L4))
    autosave.close()
    found = find_recoverable(folder)
    again = [open_annotation(each.path, document.volume).labels for each in found]
    counts = [np.bincount(labels.ravel(), minlength=24)[[L3, L4]] for labels in again]
    assert sorted(tuple(map(int, each)) for each in counts) == [(1, 1), (3, 0)]


def test_what_is_saved_leaves_nothing_to_recover_and_what_comes_after_does(
    document: Annotation,
    autosave: Autosave,
    clock: Clock,
    folder: Path,
    tmp_path: Path,
) -> None:
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.save()
    save_annotation(document, tmp_path / "case.spinalsam")
    autosave.discard()
    document.select_structure("L4")  # no work
    clock.now += 10 * INTERVAL_SECONDS
    assert not autosave.due()
    document.paint(stroke(document, (0, 0, 1), L3))
    clock.now += INTERVAL_SECONDS
    assert autosave.due()
    autosave.save()
    document.undo()  # what is saved is all there is again
    autosave.close()
    assert list(folder.iterdir()) == []


def test_work_that_was_put_down_can_be_found_unless_its_labels_are_still_shown(
    document: Annotation, autosave: Autosave, folder: Path
) -> None:
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.follow(Annotation(document.volume))
    autosave.keep((document,))
    assert find_recoverable(folder) == ()
    autosave.keep(())
    (found,) = find_recoverable(folder)
    recovered = recover(found, document.volume)
    autosave.follow(document)  # another window has its file by now
    document.paint(stroke(document, (0, 0, 1), L4))
    autosave.save()
    assert autosave.path not in (None, found.path)
    assert recovered.storage.recovery is not None
    recovered.storage.recovery.release()


def test_what_a_job_brings_to_an_annotation_that_was_put_down_is_saved(
    document: Annotation, autosave: Autosave, folder: Path
) -> None:
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.follow(Annotation(document.volume))
    autosave.keep((document,))
    assert not autosave.due(1e9)
    box = (slice(1, 4), slice(2, 6), slice(3, 9))
    mask = VolumeMask(np.ones((3, 4, 6), np.bool_), box, 0.9)
    document.write_masks({"L4": mask}, "Find L4", ModelIdentity("a" * 64))
    assert autosave.due()
    autosave.prepare()()
    assert not autosave.due()
    document.paint(stroke(document, (5, 5, 5), L3))
    autosave.close()
    (found,) = find_recoverable(folder)
    again = open_annotation(found.path, document.volume)
    np.testing.assert_array_equal(again.labels, document.labels)


def test_a_stated_pixel_size_is_work_and_does_not_hide_the_image(
    document: Annotation, folder: Path
) -> None:
    flat = Geometry.from_spacing((1, 20, 24), (1, 1, 1), is_2d=True, known=Known(0))
    picture = Volume.from_geometry(document.volume.data[:1], flat, name="picture")
    first, autosave = Annotation(picture), Autosave(folder)
    autosave.follow(first)
    first.set_pixel_size(0.35)
    autosave.close()
    (found,) = find_recoverable(folder)
    present = Annotation(picture)
    present.set_pixel_size(0.7)
    again = recover(found, present.opened)
    assert again.geometry.spacing[1:] == pytest.approx((0.35, 0.35))
    autosave.follow(again)
    autosave.close()


def test_what_could_not_be_saved_when_it_was_put_down_is_due_when_it_comes_back(
    document: Annotation, autosave: Autosave, clock: Clock, folder: Path
) -> None:
    folder.parent.mkdir()
    folder.touch()
    document.paint(stroke(document, (0, 0, 0), L3))
    with pytest.raises(InputError, match="cannot be used"):
        autosave.follow(None)
    folder.unlink()
    autosave.follow(document)
    clock.now += INTERVAL_SECONDS
    assert autosave.due()


def test_a_folder_that_was_emptied_meanwhile_is_filled_again(
    document: Annotation, autosave: Autosave, clock: Clock, folder: Path
) -> None:
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.save()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    document.paint(stroke(document, (0, 0, 1), L3))
    clock.now += INTERVAL_SECONDS
    assert autosave.due()
    autosave.save()
    assert autosave.path is not None
    assert find_recoverable(folder) == ()  # it is owned again


def test_what_a_first_save_left_that_was_cut_off_is_removed(
    document: Annotation, autosave: Autosave, folder: Path
) -> None:
    folder.mkdir(parents=True)
    remains = [folder / ".abc.lock", folder / ".0-abc.spinalsam.1234.part"]
    for path in remains:
        path.touch()
    document.paint(stroke(document, (0, 0, 0), L3))
    autosave.save()
    assert not any(path.exists() for path in remains)
    assert autosave.path is not None


SHAPE = (6, 20, 24)
WORK_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from napari_spinalsam.annotation.storage.autosave import Autosave
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.storage.autosave import find_recoverable, recover
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.volume import FileGrid, Volume

folder, value = Path(sys.argv[1]), int(sys.argv[2])
data = np.arange(6 * 20 * 24, dtype=np.int16).reshape(6, 20, 24)
volume = Volume(data, FileGrid((24, 20, 6), np.eye(4)))
found = find_recoverable(folder)
document = recover(found[0], volume) if found else Annotation(volume)
autosave = Autosave(folder)
autosave.follow(document)
if value:
    after = document.labels.copy()
    after[value - 20] = value
    document.paint(LabelDelta.between(document.labels, after))
    autosave.save()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_processes_that_are_killed_one_after_the_other_lose_nothing(
    folder: Path,
) -> None:
    # The second is killed before it has saved anything, the third after.
    for value in (22, 0, 23):
        with subprocess.Popen(
            [sys.executable, "-c", WORK_UNTIL_KILLED, str(folder), str(value)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert find_recoverable(folder) == ()  # it lives
            process.kill()
        (found,) = find_recoverable(folder)
    data = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    volume = Volume(data, FileGrid(SHAPE[::-1], np.eye(4)))
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[2], wanted[3] = 22, 23
    again = open_annotation(found.path, volume)
    np.testing.assert_array_equal(again.labels, wanted)
    discard(found)
    assert list(folder.iterdir()) == []


def test_interval_and_switch_of_the_preferences_hold(
    document: Annotation, tmp_path: Path
) -> None:
    now = [0.0]
    autosave = Autosave(tmp_path / "recovery", lambda: now[0])
    autosave.follow(document)
    autosave.interval = 10
    document.paint(stroke(document, (2, 1, 1), L3))
    assert not autosave.due(9)
    assert autosave.due(10)
    autosave.enabled = False
    assert not autosave.due(10)
    autosave.close()
    assert not list(tmp_path.rglob("*.spinalsam"))
