import platform
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.model import diagnostics
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from napari_spinalsam.model.session import SegmentationSession
from napari_spinalsam.model.weights.checkpoint import (
    digest_of,
    read_checkpoint,
    save_tiny,
)
from napari_spinalsam.model.weights.loading import load_session


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="A100", total_memory=40 * 1024**3)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: properties)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(diagnostics, "_cuda_driver", lambda: "550.1")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_processor_is_used_and_it_is_said_why() -> None:
    (cpu,) = diagnostics.devices()
    assert cpu.device == "cpu"
    assert cpu.used
    assert "is used, as" in cpu.reason
    assert cpu.memory_gib is None or cpu.memory_gib > 0.1
    assert diagnostics.device_report() == (cpu.row(),)


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize(
    ("wish", "used", "reason"),
    [("auto", "cuda:0", "is used"), ("cpu", "cpu", "it was chosen")],
)
def test_gpu_is_listed_with_memory_and_driver(
    wish: str, used: str, reason: str
) -> None:
    devices = diagnostics.devices(wish)
    assert [device.device for device in devices] == ["cuda:0", "cpu"]
    assert [device.device for device in devices if device.used] == [used]
    assert reason in next(device.reason for device in devices if device.used)
    assert devices[0].row()[1].startswith("A100, 40.0 GiB, driver 550.1; ")


@pytest.mark.usefixtures("no_gpu")
def test_report_on_an_absent_device_is_refused() -> None:
    with pytest.raises(InputError, match="'cuda'"):
        diagnostics.device_report("cuda")


def test_driver_is_unknown_without_its_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert diagnostics._cuda_driver() == ""


def test_versions_tell_python_and_torch() -> None:
    found = diagnostics.versions()
    assert found["Python"] == platform.python_version()
    assert found["torch"] == torch.__version__.partition("+")[0] or torch.__version__


@pytest.fixture
def tiny_file(tmp_path: Path, tiny: SpinalSamTiny) -> Path:
    path = tmp_path / "mine.safetensors"
    save_tiny(tiny, path)
    return path


def test_file_that_fits_is_verified(tiny_file: Path, tiny: SpinalSamTiny) -> None:
    verified = diagnostics.verify(tiny_file)
    assert verified.family == "spinalsam-tiny"
    assert verified.sha256 == digest_of(tiny_file)
    assert verified.report.complete
    rows = dict(verified.rows())
    assert rows["matched"] == str(len(tiny.state_dict()))
    assert rows["missing"] == rows["unexpected"] == rows["shape mismatched"] == "0"


def test_file_that_does_not_fit_is_reported_and_not_refused(tiny_file: Path) -> None:
    tensors = load_file(tiny_file)
    tensors["votes.bias"] = torch.zeros(9)
    del tensors["attention.opening"]
    save_file(tensors, tiny_file, read_checkpoint(tiny_file).metadata)
    report = diagnostics.verify(tiny_file).report
    assert report.missing == ("attention.opening",)
    assert [entry.name for entry in report.shape_mismatched] == ["votes.bias"]


def test_attention_that_older_files_subtract_is_told() -> None:
    verified = diagnostics.verify("spinalsam-tiny")
    assert verified.attention == pytest.approx(-0.53, abs=0.01)
    assert "0.53 of equation 2 is subtracted" in dict(verified.rows())["attention"]


def test_file_can_be_compared_with_a_model_of_the_registry(tiny_file: Path) -> None:
    verified = diagnostics.verify(tiny_file, "sam-vit-b")
    assert verified.family == "spinalsam-tiny"
    assert not verified.report.matched
    assert len(verified.report.missing) == 314


def test_unknown_model_to_compare_with_is_refused(tiny_file: Path) -> None:
    with pytest.raises(ModelError, match="'sam3'"):
        diagnostics.verify(tiny_file, "sam3")


def test_loaded_session_tells_how_its_file_fitted(tiny_file: Path) -> None:
    session = load_session(tiny_file, "cpu")
    rows = dict(diagnostics.parameter_report(session))
    assert rows == dict(diagnostics.verify(tiny_file).rows())


def test_session_of_unknown_origin_says_so(
    tiny: SpinalSamTiny, record: ModelRecord
) -> None:
    unknown = replace(record, parameters=None)
    with pytest.raises(InputError, match="load the model again"):
        diagnostics.parameter_report(
            SegmentationSession(TinyBackend(tiny, unknown, "cpu"))
        )
