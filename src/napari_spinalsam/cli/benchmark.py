"""`benchmark`: how long the model takes on slices of the shipped scan."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from napari_spinalsam.cli.arguments import add_command, add_json, add_model
from napari_spinalsam.cli.terminal import progress_bar, show, show_json

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_spinalsam.cli.arguments import Commands
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession

SLICES = range(12, 24)
CORNERS = (60, 20, 90, 90)


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    title = "latencies on this machine"
    benchmark = add_command(commands, "benchmark", run, title=title)
    add_model(benchmark)
    add_json(benchmark)


def run(options: Namespace) -> None:
    """Print median times of encoding, decoding, and both; imports torch.

    Parameters
    ----------
    options : Namespace
        model, device, json.
    """
    from napari_spinalsam.core.anatomy import Plane
    from napari_spinalsam.io.sample import read_sample
    from napari_spinalsam.model.weights.loading import load_session

    volume, _ = read_sample()
    session = load_session(options.model, options.device)
    session.set_volume(volume)
    encode, decode, both = _measure(session, volume)
    shape = volume.geometry.plane(Plane.SAGITTAL.axis, SLICES[0]).shape
    result = {
        "model": session.identity.title,
        "device": session.device,
        "slice": list(shape),
        "slices": len(SLICES),
        "encode_ms": round(median(encode), 1),
        "decode_ms": round(median(decode), 1),
        "end_to_end_ms": round(median(both), 1),
    }
    if options.json:
        show_json(result)
        return
    show(
        f"{session.identity.title} on {session.device.upper()}, "
        f"{len(SLICES)} sagittal slices of {shape[0]} x {shape[1]} pixels, medians:"
    )
    for name in ("encode", "decode", "end_to_end"):
        show(f"  {name.replace('_', ' '):10} {result[f'{name}_ms']:8} ms")


def _measure(
    session: SegmentationSession, volume: Volume
) -> tuple[list[float], list[float], list[float]]:
    """Return milliseconds of each slice, after one slice to warm up."""
    from napari_spinalsam.core.anatomy import Plane
    from napari_spinalsam.core.intensity import PRESETS
    from napari_spinalsam.core.prompts import BoxPrompt, SlicePrompts

    window, axis, box = PRESETS["bone"], Plane.SAGITTAL.axis, BoxPrompt(*CORNERS)
    encode, decode, both = [], [], []
    with progress_bar("benchmark") as advance:
        for done, index in enumerate((SLICES[0] - 1, *SLICES)):
            plane = volume.geometry.plane(axis, index)
            prompts = SlicePrompts(axis, index, box=box)
            began = perf_counter()
            first = session.predict(plane, prompts, window=window)
            whole = 1e3 * (perf_counter() - began)
            again = session.predict(plane, prompts, window=window)
            advance(done + 1, len(SLICES) + 1)
            if done and first.encode_ms is not None:
                encode.append(first.encode_ms)
                decode.append(again.decode_ms)
                both.append(whole)
    return encode, decode, both
