import hashlib
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from napari_spinalsam.model.weights.checkpoint import (
    digest_of,
    load_tiny,
    read_checkpoint,
    save_tiny,
)

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.zeros(2)}


class Anything:
    """Not allowed in a file of weights."""


WRAPPED: list[tuple[str, Any]] = [
    ("plain", TENSORS),
    ("ordered", OrderedDict(TENSORS)),
    ("model", {"model": TENSORS, "optimizer": {"lr": 1.0}, "epoch": 3}),
    ("state_dict", {"state_dict": TENSORS}),
    ("parallel", {f"module.{name}": value for name, value in TENSORS.items()}),
    (
        "micro-sam",
        {"model_state": {f"sam.{name}": value for name, value in TENSORS.items()}},
    ),
    (
        "both",
        {"state_dict": {f"module.{name}": value for name, value in TENSORS.items()}},
    ),
]


@pytest.mark.parametrize(
    "content", [case[1] for case in WRAPPED], ids=[case[0] for case in WRAPPED]
)
@pytest.mark.parametrize("old_format", [False, True])
def test_tensors_are_found_in_every_wrapping(
    tmp_path: Path, content: Any, old_format: bool
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    found = read_checkpoint(path).tensors
    assert found.keys() == TENSORS.keys()
    assert torch.equal(found["a.weight"], TENSORS["a.weight"])


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    save_file(TENSORS, path, {"card": "x"})
    checkpoint = read_checkpoint(path)
    assert checkpoint.tensors.keys() == TENSORS.keys()
    assert checkpoint.metadata == {"card": "x"}


def test_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"spine")
    assert digest_of(path) == hashlib.sha256(b"spine").hexdigest()


LARGER = TENSORS | {"c": torch.zeros(99, 99)}


def torch_file(path: Path) -> None:
    torch.save(LARGER, path)


def old_torch_file(path: Path) -> None:
    torch.save(LARGER, path, _use_new_zipfile_serialization=False)


def safe_file(path: Path) -> None:
    save_file(LARGER, path)


@pytest.mark.parametrize("write", [torch_file, old_torch_file, safe_file])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.95])
def test_truncated_file_is_called_damaged(
    tmp_path: Path, write: Any, kept: float
) -> None:
    path = tmp_path / "cut.pth"
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: max(20, int(kept * len(content)))])
    with pytest.raises(ModelError, match=r"cut.pth is damaged or not complete"):
        read_checkpoint(path)


def saved(content: object) -> Any:
    return lambda path: torch.save(content, path)


def written(content: bytes) -> Any:
    return lambda path: path.write_bytes(content)


BAD: list[tuple[str, Any, str]] = [
    ("absent", lambda path: None, "There is no file"),
    ("a folder", lambda path: path.mkdir(), "cannot be opened"),
    ("empty", written(b""), "is empty"),
    ("text", written(b"not weights at all, but text"), "is no file of weights"),
    ("short", written(b"abc"), "is no file of weights"),
    ("a web page", written(b"<!DOCTYPE html><html></html>"), "is no file of weights"),
    ("another archive", written(b"PK\x03\x04" + bytes(100)), "is damaged"),
    ("objects", saved({"a": Anything()}), "Python objects besides tensors"),
    ("a list", saved([torch.zeros(1)]), "no list of named tensors"),
    ("a number", saved({"a": torch.zeros(1), "epoch": 3}), "no list of named tensors"),
    ("nothing", saved({}), "no list of named tensors"),
    ("a bare tensor", saved(torch.zeros(3)), "no list of named tensors"),
]


@pytest.mark.parametrize(
    ("make", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_bad_file_gives_one_sentence(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "file.pth"
    make(path)
    with pytest.raises(ModelError, match=message) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert "file.pth" in str(caught.value)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "trap.pth"
    torch.save({"a": Trap()}, path)
    with pytest.raises(ModelError, match="not loaded for safety"):
        read_checkpoint(path)
    assert not (tmp_path / "sprung").exists()


def test_tiny_network_survives_the_file_in_half_precision(
    tmp_path: Path, tiny: SpinalSamTiny
) -> None:
    path = tmp_path / "new" / "tiny.safetensors"
    save_tiny(tiny, path, {"card": "a card"})
    again = load_tiny(path)
    assert again.config == tiny.config
    assert not again.training
    expected = tiny.state_dict()
    for name, tensor in again.state_dict().items():
        assert tensor.dtype == expected[name].dtype
        torch.testing.assert_close(tensor, expected[name], atol=1e-3, rtol=1e-3)
    with safe_open(path, framework="pt") as file:
        notes = file.metadata()
        assert file.get_tensor("votes.weight").dtype == torch.float16
    assert notes["format"] == "napari-spinalsam"
    assert notes["version"] == "1"
    assert notes["family"] == "spinalsam-tiny"
    assert notes["card"] == "a card"
    assert json.loads(notes["config"])["widths"] == [8, 8, 16, 16]


def test_numbers_too_large_for_half_precision_are_kept(
    tmp_path: Path, tiny: SpinalSamTiny
) -> None:
    variance = tiny.get_buffer("encoder.stem.1.running_var")
    variance.fill_(1e6)
    path = tmp_path / "tiny.safetensors"
    save_tiny(tiny, path)
    again = load_tiny(path).get_buffer("encoder.stem.1.running_var")
    assert torch.equal(again, variance)


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ({}, "is no spinalsam-tiny file"),
        ({"format": "napari-spinalsam", "family": "other"}, "family other"),
        (
            {"format": "napari-spinalsam", "family": "spinalsam-tiny", "version": "9"},
            "version 9.*version 1",
        ),
        (
            {"format": "napari-spinalsam", "family": "spinalsam-tiny", "version": "1"},
            "shape of its network",
        ),
    ],
)
def test_file_that_is_no_tiny_network_is_refused(
    tmp_path: Path, notes: dict[str, str], message: str
) -> None:
    path = tmp_path / "tiny.safetensors"
    save_file(TENSORS, path, notes)
    with pytest.raises(ModelError, match=message):
        load_tiny(path)


@pytest.mark.parametrize("config", ["no json", "[1]", '{"depth": 3}'])
def test_unreadable_shape_of_a_tiny_network_is_refused(
    tmp_path: Path, config: str
) -> None:
    path = tmp_path / "tiny.safetensors"
    notes = {"format": "napari-spinalsam", "family": "spinalsam-tiny", "version": "1"}
    save_file(TENSORS, path, notes | {"config": config})
    with pytest.raises(ModelError, match="shape of its network"):
        load_tiny(path)


def test_failed_write_leaves_the_older_file(
    tmp_path: Path, tiny: SpinalSamTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(b"older")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("napari_spinalsam.model.weights.checkpoint.save_file", fail)
    with pytest.raises(ModelError, match="no space left"):
        save_tiny(tiny, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("padding", range(0, 256, 8))
def test_safetensors_of_any_header_length_is_read_with_its_notes(
    tmp_path: Path, padding: int
) -> None:
    path = tmp_path / "any.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"note": "x" * padding})
    assert read_checkpoint(path).metadata == {"note": "x" * padding}
