"""Networks load after napari has drawn; two copies of LLVM must not meet."""

import subprocess
import sys

PROGRAM = """
import napari
viewer = napari.Viewer()
viewer.screenshot(canvas_only=False, flash=False)
from napari_spinalsam.model._native import shield_triton
shield_triton()
import segment_anything, peft
viewer.close()
print("alive")
"""


def test_sam_and_peft_load_after_the_canvas_was_drawn() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert "alive" in done.stdout, done.stderr[-2000:]
