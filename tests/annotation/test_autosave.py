import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_spinalsam.annotation.autosave import INTERVAL_SECONDS, Autosave
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.recovery import (
    discard,
    find_recoverable,
    recovery_folder,
)
from napari_spinalsam.annotation.saved import open_annotation
from napari_spinalsam.core.errors import InputError
from tests.annotation.helpers import L3, POINT, Ask, accept_disc, stroke


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


WORK_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from napari_spinalsam.annotation.autosave import Autosave
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.core.volume import FileGrid, Volume

data = np.arange(6 * 20 * 24, dtype=np.int16).reshape(6, 20, 24)
document = Annotation(Volume(data, FileGrid((24, 20, 6), np.eye(4))))
autosave = Autosave(Path(sys.argv[1]))
autosave.follow(document)
document.replace_labels(np.full(document.labels.shape, 22, np.uint8))
autosave.save()
print("saved", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_the_work_of_a_killed_process_is_found_and_that_of_a_living_one_is_not(
    folder: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORK_UNTIL_KILLED, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"
        assert find_recoverable(folder) == ()
        process.kill()
    (found,) = find_recoverable(folder)
    assert found.summary is not None
    assert [each.name for each in found.summary.objects] == ["L3"]
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
