"""Every step that a lab trains an adapter with, in small, on the sample CT.

A SAM of random weights learns for some steps from one scan: that each command works,
a kill included, is all that this says.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import nibabel as nib
import numpy as np
from safetensors.numpy import load_file

CONFIG = Path(__file__).resolve().parents[1] / "training" / "configs" / "toy.yaml"
PATIENCE_SECONDS = 600
# L3 in the labels of the sample; the slice to prompt shows most of it.
STRUCTURE, VALUE = "L3", 22

TRAINING = (sys.executable, "-m", "training")

Command = Callable[[Sequence[object]], str]


class SmokeError(Exception):
    """A step that did not do what it should."""


class Report:
    """Prints one line a step."""

    def __init__(self) -> None:
        self._number, self._began = 0, time.perf_counter()

    def __call__(self, step: str, told: str) -> None:
        """Say what a step did, and how long it took."""
        self._number += 1
        now = time.perf_counter()
        print(
            f"{self._number:>2} {step:<9} {told} ({now - self._began:.1f} s)",
            flush=True,
        )
        self._began = now


def main() -> int:
    """Run all steps in a folder that goes away, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40, help="of the training")
    parser.add_argument("--keep", type=Path, help="a folder to work in, and to keep")
    options = parser.parse_args()
    began = time.perf_counter()
    print("A SAM with RANDOM weights and one scan: the tools are tried, nothing else.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        try:
            smoke(folder, options.steps)
        except SmokeError as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    print(f"All steps work, in {time.perf_counter() - began:.0f} s.")
    return 0


def smoke(
    folder: Path,
    steps: int,
    train: Command | None = None,
    plugin: Command | None = None,
    *,
    kill: bool = True,
) -> None:
    """Prepare, fit, kill, go on, export, evaluate and segment.

    Parameters
    ----------
    folder : Path
        To work in.
    steps : int
        Of the training.
    train, plugin : callable, optional
        Run `python -m training` and `napari-spinalsam` with arguments and return what
        they print; processes of their own if not given.
    kill : bool
        Whether a second run is killed, which takes a process of its own.

    Raises
    ------
    SmokeError
        If a step does not do what it should.
    """
    train = train or command(TRAINING)
    plugin = plugin or command([Path(sys.executable).with_name("napari-spinalsam")])
    report = Report()
    folder.mkdir(parents=True, exist_ok=True)
    image, labels = lay_out_sample(folder / "own")
    base, store, run = folder / "toy-sam.safetensors", folder / "slices", folder / "run"

    report("toy", _last_line(train(["toy", "--output", base])))
    line = ["prepare", "--source", "folder", folder / "own", "--store", store]
    line += ["--size", 128, "--short-side", 0.4, "--split", "slice"]
    report("prepare", train(line).splitlines()[0])

    fit = ["fit", "--config", CONFIG, "--base", base, "--store", store]
    fit += ["--steps", steps]
    told = train([*fit, "--run", run])
    report("fit", next(line for line in told.splitlines() if " are kept" in line))
    if kill:
        step = kill_after_checkpoint([*fit, "--run", folder / "killed"])
        report("kill -9", f"after the checkpoint of step {step}")
        train([*fit, "--run", folder / "killed"])
        one, other = (load_file(_adapter(each)) for each in (run, folder / "killed"))
        if not all(np.array_equal(one[name], other[name]) for name in one):
            raise SmokeError("The killed run came to another adapter than the whole.")
        report("fit again", "goes on, and comes to the same adapter bit for bit")

    adapter = folder / "mine.safetensors"
    report("export", _last_line(train(["export", "--run", run, "--output", adapter])))
    line = ["evaluate", "--model", base, "--adapter", adapter, "--every", 48]
    told = train([*line, "--image", image, "--labels", labels])
    boxes = next(line for line in told.splitlines() if line.startswith("| box"))
    dice, count = (boxes.split("|")[column].strip() for column in (5, 6))
    report("evaluate", f"a mean Dice of {dice} for {count} boxes, seen in training")

    prompts, output = folder / "prompts.json", folder / "found.nii.gz"
    prompts.write_text(json.dumps(tight_box(labels)), "utf-8")
    line = ["segment", image, "--prompts", prompts, "-o", output, "--json"]
    told = plugin([*line, "--model", base, "--adapter", adapter])
    (found,) = json.loads(told)["objects"]
    if nib.load(output).shape != nib.load(image).shape:
        raise SmokeError("The labels lie on another grid than the image.")
    report("segment", f"{found['voxels']} voxels of {found['structure']}")


def lay_out_sample(folder: Path) -> tuple[Path, Path]:
    """Lay the sample scan out as the plugin saves labels: beside the image."""
    folder.mkdir(exist_ok=True)
    image, labels = folder / "sample.nii.gz", folder / "sample_labels.nii.gz"
    with as_file(files("napari_spinalsam") / "resources" / "sample") as sample:
        shutil.copy(sample / "lumbar_ct.nii.gz", image)
        shutil.copy(sample / "lumbar_labels.nii.gz", labels)
    return image, labels


def tight_box(labels: Path) -> dict[str, object]:
    """Return a prompt file with the box of L3 in the slice that shows most of it."""
    mask = np.asarray(nib.load(labels).dataobj) == VALUE
    index = int(mask.sum((0, 1)).argmax())
    rows, cols = (np.flatnonzero(mask[:, :, index].any(axis)) for axis in (1, 0))
    box = [[int(rows[end]), int(cols[end]), index] for end in (0, -1)]
    prompt = {"axis": 2, "index": index, "box": box}
    return {
        "space": "voxel",
        "objects": [{"structure": STRUCTURE, "prompts": [prompt]}],
    }


def kill_after_checkpoint(arguments: Sequence[object]) -> int:
    """Start training, kill it with signal 9 once it can go on, return that step."""
    import torch

    run = Path(str(arguments[-1]))
    checkpoint = run / "checkpoint.pt"
    with subprocess.Popen(
        [*TRAINING, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + PATIENCE_SECONDS
        while not checkpoint.exists() and time.monotonic() < until:
            if process.poll() is not None:
                break
            time.sleep(0.02)
        process.kill()
    if process.returncode != -signal.SIGKILL or _adapter(run).exists():
        raise SmokeError("The training ended before it could be killed.")
    if not checkpoint.exists():
        raise SmokeError(f"There was no checkpoint within {PATIENCE_SECONDS} seconds.")
    return int(torch.load(checkpoint, weights_only=True)["step"])


def command(program: Sequence[object]) -> Command:
    """Return what runs a program in a process of its own, as a lab does."""

    def run(arguments: Sequence[object]) -> str:
        line = [str(each) for each in (*program, *arguments)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SmokeError(f"{' '.join(line)}\n{done.stdout}{done.stderr}")
        return done.stdout

    return run


def _adapter(run: Path) -> Path:
    return run / "adapter.safetensors"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
