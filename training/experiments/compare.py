"""`compare`: the paper's Table 1 on a store, with what each row really is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.model.backends.base import pick_device
from napari_spinalsam.model.weights.adapter_files import read_config
from napari_spinalsam.model.weights.adapters import SHOWN_DIGITS, read_adapter
from napari_spinalsam.model.weights.checkpoint import digest_of, read_checkpoint
from napari_spinalsam.model.weights.identify import MED_SAM_MD5, Family, identify
from napari_spinalsam.model.weights.loading import (
    build_backend,
    find_weights,
    read_model,
)
from napari_spinalsam.model.weights.registry import (
    BUNDLED,
    ENTRIES,
    entry_of_sha256,
    is_downloaded,
)
from training.experiments.baselines import (
    Baseline,
    BaselineConfig,
    build_baseline,
    describe_baseline,
    fit_baseline,
)
from training.experiments.figure import draw_panel
from training.experiments.methods import (
    Automatic,
    Method,
    Prompted,
    PromptKind,
    Row,
    SliceBackend,
)
from training.experiments.tables import held_back, measure, write_table
from training.experiments.third_party import MedSam, SamMed2D
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from napari_spinalsam.model.weights.adapter_files import AdapterConfig
    from training.experiments.scores import Unit

TITLES: dict[Baseline, str] = {
    "unet": "U-Net",
    "transunet": "TransUNet-like",
    "swin_unetr": "Swin-UNETR",
}
PANEL = "panel.png"
BOX_ALONE: tuple[PromptKind, ...] = ("box",)
BOX_AND_POINT: tuple[PromptKind, ...] = ("box", "point")

MakeBackend = Callable[[], SliceBackend]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared.

    Parameters
    ----------
    baselines : tuple of {"unet", "transunet", "swin_unetr"}
        Networks to train on the store.
    steps, batch : int
        Of their training.
    ours : Path or None
        An adapter.
    base : str or None
        Its base; without one the downloaded model that it was made for.
    sam : str
        The SAM without training: a name or a file.
    tiny : str
        The network of the bundled kind: its name, or a file of one that was trained
        without the scans that are measured.
    medsam, sam_med_2d : Path or None
        Their weights.
    against : str or None
        The row that tests compare with; without one the last that is measured.
    unit : {"patient", "slice"}
        What mean, sd and tests run over.
    every : int
        Take each n-th slice alone.
    """

    baselines: tuple[Baseline, ...]
    steps: int
    batch: int
    ours: Path | None
    base: str | None
    sam: str
    tiny: str
    medsam: Path | None
    sam_med_2d: Path | None
    against: str | None
    unit: Unit
    every: int


def compare(what: Comparison, store_folder: Path, output: Path) -> str:
    """Train the baselines, measure all rows, and write tables and a panel.

    Raises
    ------
    InputError
        If there is no store, nothing was held back, or no row to test against.
    """
    store = SliceStore(store_folder)
    keys = held_back(store, what.every)
    output.mkdir(parents=True, exist_ok=True)
    rows = [_baseline_row(name, what, store, output) for name in what.baselines]
    rows += _prompted_rows(what, store)
    measured, scores = measure(rows, store, keys)
    methods = {m.row.name: m.method for m in measured if m.method is not None}
    if not methods:
        raise InputError("There is nothing to measure: give --baselines or weights.")
    against = what.against or list(methods)[-1]
    if against not in methods:
        raise InputError(
            f"There is no measured row {against!r} to test against: choose one of "
            f"{', '.join(methods)}."
        )
    tested = {name: against for name in methods if name != against}
    table = write_table(
        measured, scores, output, against=tested, unit=what.unit, store=store
    )
    logger.info("panel: %s", draw_panel(methods, store, keys, output / PANEL))
    return table


def adapter_backend(adapter: Path, base: str | None, device: str) -> SliceBackend:
    """Build a base with its adapter.

    Raises
    ------
    ModelError
        If a file is missing, or the adapter was made for another base.
    """
    added = read_adapter(adapter)
    if base is None:
        entry = entry_of_sha256(added.config.base_sha256)
        if entry is None:
            raise ModelError(
                f"The base of {adapter.name} is no known model: name it with --base."
            )
        base = entry.name
    file = read_model(find_weights(base), registered=base in ENTRIES)
    return build_backend(file, device, added)


def is_here(model: str) -> bool:
    """Whether the weights of a name or path are on this machine."""
    return is_downloaded(model) if model in ENTRIES else Path(model).is_file()


def _baseline_row(
    name: Baseline, what: Comparison, store: SliceStore, output: Path
) -> Row:
    size = store.settings.size
    config = BaselineConfig(network=name, size=size, steps=what.steps, batch=what.batch)

    def make() -> Method:
        return Automatic(fit_baseline(config, store, output / name), size)

    network = build_baseline(name, size)
    return Row(TITLES[name], describe_baseline(name, network, what.steps), make)


def _prompted_rows(what: Comparison, store: SliceStore) -> list[Row]:
    device = pick_device("auto")
    about_med_2d = _about_foreign(what.sam_med_2d, "")
    about_medsam = _about_foreign(what.medsam, MED_SAM_MD5)
    med_2d = _foreign(SamMed2D, what.sam_med_2d, device)
    medsam = _foreign(MedSam, what.medsam, device)
    sam = partial(_registered_backend, what.sam, device)
    about_ours, ours = _ours(what, store, device)
    return [
        *_rows_of("SAM-Med2D", about_med_2d, BOX_AND_POINT, med_2d),
        *_rows_of(
            "SAM",
            f"{_about_base(what.sam)}, not trained here",
            BOX_AND_POINT,
            sam if is_here(what.sam) else None,
        ),
        *_rows_of("MedSAM", about_medsam, BOX_ALONE, medsam),
        *_rows_of(
            BUNDLED,
            _about_tiny(what.tiny),
            BOX_AND_POINT,
            partial(_registered_backend, what.tiny, device),
        ),
        *_rows_of("ours", about_ours, (*BOX_AND_POINT, "point + 2"), ours),
    ]


def _registered_backend(model: str, device: str) -> SliceBackend:
    file = read_model(find_weights(model), registered=model in ENTRIES)
    return build_backend(file, device)


def _about_base(model: str) -> str:
    """Return which SAM a name or file is."""
    if model in ENTRIES or not is_here(model):
        return Path(model).name
    sha256 = digest_of(Path(model))
    if (entry := entry_of_sha256(sha256)) is not None:
        return f"{entry.name} as published"
    family = identify(read_checkpoint(Path(model)).tensors).family
    unverified = _unverified(Path(model), sha256)
    return f"{family.label}{about_weights(family)}, {unverified}"


def _unverified(path: Path, sha256: str) -> str:
    """Return what a file is called whose checksum nobody has published."""
    return f"unverified file {path.name} (sha256 {sha256[:SHOWN_DIGITS]})"


def _about_foreign(path: Path | None, md5: str) -> str:
    """Return what the weights of another program are, by their checksum.

    Parameters
    ----------
    path : Path or None
        The file, if there is one.
    md5 : str
        Of the published file; empty where none is published.
    """
    if path is None or not path.is_file():
        return "as published, not trained here"
    if md5 and digest_of(path, "md5") == md5:
        return "as published (checksum verified), not trained here"
    why = "not the published checksum" if md5 else "no checksum is published"
    return f"{_unverified(path, digest_of(path))}: {why}; not trained here"


def about_weights(family: str) -> str:
    """Return what the name of a family alone does not say of its weights."""
    return " (random weights)" if family == Family.SAM_TOY else ""


def _about_tiny(model: str) -> str:
    """Return on what a network of the bundled kind was trained, by its own card."""
    card = read_checkpoint(find_weights(model)).metadata.get("card")
    known = json.loads(card).get("trained_on") if card else None
    scans = ", ".join(known) if known else "scans that the file does not name"
    kind = "bundled" if model == BUNDLED else Path(model).stem
    return f"{kind}, trained on {scans}; sees no neighbouring slices here"


def _ours(
    what: Comparison, store: SliceStore, device: str
) -> tuple[str, MakeBackend | None]:
    """Return what our row is, and how to build it if its weights are here."""
    if what.ours is None or not what.ours.is_file():
        return "SAM with CBAM, LoRA and simulated interaction", None
    config = read_config(what.ours)
    here = config.notes.get("store_sha256") == store.digest
    family = Family(config.family)
    about = (
        f"adapter {what.ours.stem} on {family.label}{about_weights(family)}, "
        f"{'CBAM, ' * config.cbam}LoRA {config.rank}, "
        f"{config.notes.get('steps', '?')} steps on "
        f"{'this store' if here else 'other slices, maybe on these'}"
        f"{_about_window(config, store)}"
    )
    entry = entry_of_sha256(config.base_sha256)
    base = what.base or (entry.name if entry else None)
    if base is not None and not is_here(base):
        return about, None
    return about, partial(adapter_backend, what.ours, base, device)


def _about_window(config: AdapterConfig, store: SliceStore) -> str:
    """Return with which windows an adapter was trained and is measured, if others."""
    if config.window is None or config.window == store.window:
        return ""
    windows = {case.window for case in store.cases.values()}
    seen = ", ".join(str(Window(*each)) for each in sorted(windows))
    return f", trained with the window {Window(*config.window)} and seen with {seen}"


def _foreign(
    kind: Callable[[Path, str], SliceBackend], path: Path | None, device: str
) -> MakeBackend | None:
    if path is None or not path.is_file():
        return None
    return partial(kind, path, device)


def _rows_of(
    name: str,
    what: str,
    kinds: tuple[PromptKind, ...],
    make_backend: MakeBackend | None,
) -> list[Row]:
    """Return a row for each way to ask; they share one network."""
    backend = None if make_backend is None else cache(make_backend)

    def method(kind: PromptKind) -> Callable[[], Method] | None:
        if backend is None:
            return None
        return lambda: Prompted(backend(), kind)

    return [Row(f"{name}, {kind}", what, method(kind)) for kind in kinds]
