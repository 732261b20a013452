"""What an adapter file says of itself; read without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_spinalsam.core.intensity import Window

FORMAT = "napari-spinalsam-adapter"
VERSION = 1


class AdapterConfig(BaseModel):
    """What an adapter changes, and of what.

    Parameters
    ----------
    version : int
        Of the format.
    base_sha256 : str
        Checksum of the base's file; empty where the adapter's maker did not note it.
    family : str
        Of the base, such as ``"sam_vit_b"``.
    rank : int
        Of LoRA; 0 where there is none.
    alpha : float or None
        LoRA's update is scaled by ``alpha / rank``; None scales by 1.
    targets : tuple of {"q", "k", "v"}
        Projections with LoRA.
    cbam : bool
        Whether the attention module is there.
    cbam_ratio : int
        Reduction of the attention module's channel perceptron.
    decoder : bool
        Whether the mask decoder is replaced.
    image_size : int
        Side of the image in training.
    window : tuple of float or None
        Level and width that all scans were seen with in training; None if they
        differed.
    pixel_mm : tuple of float or None
        Smallest and largest pixel of the slices in training, in mm, as the network
        saw them; None in files that were written before this was noted.
    notes : dict of str to str
        Scores, training data and the like.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    base_sha256: str
    family: str
    rank: int = Field(default=0, ge=0)
    alpha: float | None = None
    targets: tuple[Literal["q", "k", "v"], ...] = ("q", "v")
    cbam: bool = False
    cbam_ratio: int = Field(default=16, ge=1)
    decoder: bool = False
    image_size: int = 1024
    window: tuple[float, float] | None = None
    pixel_mm: tuple[float, float] | None = None
    notes: dict[str, str] = {}

    @property
    def trained_window(self) -> Window | None:
        """The window of all scans in training, if it was one."""
        return None if self.window is None else Window(*self.window)
