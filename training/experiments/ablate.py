"""`ablate`: the paper's Table 2, with the row that it leaves out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model.backends.base import pick_device
from training.experiments.compare import about_weights, adapter_backend, is_here
from training.experiments.methods import Method, Prompted, Row, SliceBackend
from training.experiments.tables import held_back, measure, write_table
from training.sam.fit import fit_sam
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.experiments.methods import PromptKind
    from training.experiments.scores import Unit
    from training.sam.config import SamConfig

KINDS: tuple[PromptKind, ...] = ("box", "point + 2")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Variant:
    """What of the model is used.

    Parameters
    ----------
    name : str
        In the table.
    cbam, lora, interactive : bool
        The three parts. Without interaction there is the first round alone.
    """

    name: str
    cbam: bool
    lora: bool
    interactive: bool

    def of(self, config: SamConfig) -> SamConfig:
        """Return a configuration with these parts alone."""
        lora = config.lora if self.lora else config.lora.model_copy(update={"rank": 0})
        cbam = config.cbam.model_copy(update={"use": self.cbam})
        rounds = config.rounds
        if not self.interactive:
            rounds = rounds.model_copy(update={"later": 0})
        return config.model_copy(update={"lora": lora, "cbam": cbam, "rounds": rounds})


VARIANTS = (
    Variant("none", cbam=False, lora=False, interactive=False),
    Variant("CBAM", cbam=True, lora=False, interactive=False),
    Variant("LoRA", cbam=False, lora=True, interactive=False),
    Variant("CBAM + LoRA", cbam=True, lora=True, interactive=False),
    Variant("CBAM + LoRA + interactive", cbam=True, lora=True, interactive=True),
)


def ablate(
    config: SamConfig,
    store_folder: Path,
    output: Path,
    *,
    unit: Unit = "patient",
    every: int = 1,
) -> str:
    """Train every variant on the store, measure it, and write the tables.

    All variants train the mask decoder and see the same slices. Interaction makes more
    steps of Adam for each of them, which each row tells.

    Parameters
    ----------
    config : SamConfig
        The whole model.
    store_folder, output : Path
        Folder to read and folder to write; a killed run goes on.
    unit : {"patient", "slice"}
        What mean, sd and tests run over.
    every : int
        Take each n-th slice alone.

    Raises
    ------
    InputError
        If the configuration lacks a part, or nothing was held back.
    """
    if not (config.lora.rank and config.cbam.use and config.rounds.later):
        raise InputError(
            "The configuration lacks LoRA, CBAM or later rounds: give the whole model, "
            "and parts are taken away from it."
        )
    store = SliceStore(store_folder)
    keys = held_back(store, every)
    rows = [
        row
        for variant in VARIANTS
        for row in _rows(variant, variant.of(config), store_folder, output)
    ]
    measured, scores = measure(rows, store, keys)
    whole = VARIANTS[-1].name
    tested = {
        f"{variant.name}, {kind}": f"{whole}, {kind}"
        for variant in VARIANTS[:-1]
        for kind in KINDS
    }
    return write_table(measured, scores, output, against=tested, unit=unit, store=store)


def _rows(
    variant: Variant, config: SamConfig, store_folder: Path, output: Path
) -> list[Row]:
    """Return a row for each way to ask one variant, which is trained once."""
    fit = config.fit
    length = f"{fit.steps} batches" if fit.steps else f"{fit.epochs} epochs"
    what = (
        f"mask decoder{' + CBAM' * variant.cbam}{' + LoRA' * variant.lora} of "
        f"{Path(config.base).name}{about_weights(config.family)} trained, {length}, "
        f"steps of Adam a batch: {1 + config.rounds.later}"
    )
    run = output / variant.name.replace(" + ", "_").lower()

    @cache
    def trained() -> SliceBackend:
        adapter = fit_sam(config, store_folder, run)
        return adapter_backend(adapter, config.base, pick_device("auto"))

    def make(kind: PromptKind) -> Method:
        return Prompted(trained(), kind)

    def maker(kind: PromptKind) -> Callable[[], Method] | None:
        return partial(make, kind) if is_here(config.base) else None

    return [Row(f"{variant.name}, {kind}", what, maker(kind)) for kind in KINDS]
