"""Where files are looked for and written, if nobody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
TINY_CONFIG = HERE / "configs" / "tiny.yaml"
TINY_STORE = Path("runs/store")
DATA_VARIABLE = "NAPARI_SPINALSAM_DATA"


def default_data() -> Path:
    """Return the data folder: the environment's, else one beside the project."""
    return Path(os.environ.get(DATA_VARIABLE, HERE.parent.parent / "shared" / "data"))
