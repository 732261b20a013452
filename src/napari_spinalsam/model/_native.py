"""Native libraries that must not get in each other's way."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def shield_triton() -> None:
    """Load Triton, if it is installed, so that it keeps to its own copy of LLVM.

    Once napari has drawn with Mesa, the LLVM of the graphics driver is in the process
    with global symbols. Triton, which torchvision and peft pull in, would bind to it
    and crash the interpreter. Call this before importing either of them.
    """
    if (
        sys.platform != "linux"
        or "triton" in sys.modules
        or importlib.util.find_spec("triton") is None
    ):
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        importlib.import_module("triton._C.libtriton")
    finally:
        sys.setdlopenflags(flags)
