"""`info`: versions, device and models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_spinalsam.cli import main

if TYPE_CHECKING:
    import pytest


def test_info_names_versions_device_and_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["info", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"napari-spinalsam", "torch", "napari", "Python"} <= result[
        "versions"
    ].keys()
    used = [each["device"] for each in result["devices"] if each["used"]]
    assert used == [result["device"]]
    assert "spinalsam-tiny" in [each["name"] for each in result["models"]]
    assert main(["info"]) == 0
    assert "spinalsam-tiny" in capsys.readouterr().out
