"""Comparing the tensors of a file with those of a network, before they are loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_spinalsam.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor, nn

SHOWN = 3


@dataclass(frozen=True, slots=True)
class ShapeMismatch:
    """A tensor that is in both, in different shapes."""

    name: str
    expected: tuple[int, ...]
    found: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many tensors of one part match, miss, are too many or have other shapes."""

    group: str
    matched: int = 0
    missing: int = 0
    unexpected: int = 0
    shape_mismatched: int = 0


@dataclass(frozen=True, slots=True)
class ParameterReport:
    """What a network finds of itself in a checkpoint.

    Parameters
    ----------
    matched : tuple of str
        Names that are in both with one shape.
    missing : tuple of str
        Names that the network needs and the file lacks.
    unexpected : tuple of str
        Names that the network does not know.
    shape_mismatched : tuple of ShapeMismatch
        Names that are in both, in different shapes.
    other_dtype : tuple of str
        Matched names that are stored in another number type; they are converted.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shape_mismatched: tuple[ShapeMismatch, ...] = ()
    other_dtype: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether each tensor has its place and each place its tensor."""
        return not (self.missing or self.unexpected or self.shape_mismatched)

    def groups(self) -> tuple[GroupCount, ...]:
        """Return the counts of each part: encoder block, neck, prompt encoder, ..."""
        counted: dict[str, list[int]] = {}
        mismatched = [entry.name for entry in self.shape_mismatched]
        lists = (self.matched, self.missing, self.unexpected, mismatched)
        for column, names in enumerate(lists):
            for name in names:
                counted.setdefault(group_of(name), [0, 0, 0, 0])[column] += 1
        return tuple(GroupCount(group, *counts) for group, counts in counted.items())

    def summary(self) -> str:
        """Return the counts in one line."""
        total = len(self.matched) + len(self.missing) + len(self.shape_mismatched)
        return (
            f"{len(self.matched)} of {total} tensors matched, {len(self.missing)} "
            f"missing, {len(self.unexpected)} unexpected, "
            f"{len(self.shape_mismatched)} of another shape"
        )


def compare(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> ParameterReport:
    """Compare names, shapes and number types; no values are read.

    Parameters
    ----------
    expected : mapping of str to Tensor
        The network's ``state_dict()``, which may lie on the device "meta".
    found : mapping of str to Tensor
        The file's tensors.
    """
    shared = [name for name in expected if name in found]
    fits = [name for name in shared if expected[name].shape == found[name].shape]
    return ParameterReport(
        matched=tuple(fits),
        missing=tuple(name for name in expected if name not in found),
        unexpected=tuple(name for name in found if name not in expected),
        shape_mismatched=tuple(
            ShapeMismatch(name, tuple(expected[name].shape), tuple(found[name].shape))
            for name in shared
            if expected[name].shape != found[name].shape
        ),
        other_dtype=tuple(
            name for name in fits if expected[name].dtype != found[name].dtype
        ),
    )


def load_parameters(
    network: nn.Module, tensors: Mapping[str, Tensor], name: str
) -> ParameterReport:
    """Put a file's tensors into a network, if all fit.

    Parameters
    ----------
    network : nn.Module
        May lie on the device "meta"; it takes the tensors over without a copy.
    tensors : mapping of str to Tensor
        The file's tensors; converted to the network's number types.
    name : str
        Names the file in the error.

    Raises
    ------
    ModelError
        If a tensor is missing, unexpected or of another shape; the network is
        left as it was.
    """
    expected = network.state_dict()
    report = compare(expected, tensors)
    if not report.complete:
        raise ModelError(
            f"{name} does not fit the network ({report.summary()}; {_first(report)}): "
            "choose the checkpoint that belongs to it."
        )
    converted = {
        key: tensor.to(dtype=expected[key].dtype) for key, tensor in tensors.items()
    }
    not_finite = next(
        (key for key, value in converted.items() if not torch.isfinite(value).all()),
        None,
    )
    if not_finite is not None:
        raise ModelError(
            f"{name} holds numbers in {not_finite} that are not finite: get an intact "
            "copy of the file."
        )
    network.load_state_dict(converted, assign=True)
    return report


def group_of(name: str) -> str:
    """Return the part that a tensor belongs to."""
    parts = name.split(".")
    if parts[:2] == ["image_encoder", "blocks"]:
        return ".".join(parts[:3])
    if parts[0] == "image_encoder" or parts[0] == "encoder":
        return ".".join(parts[:2])
    return parts[0]


def _first(report: ParameterReport) -> str:
    """Name the first tensors that do not fit."""
    shapes = [
        f"{entry.name} has {entry.found} in place of {entry.expected}"
        for entry in report.shape_mismatched
    ]
    if shapes:
        return _some(shapes)
    if report.missing:
        return "missing " + _some(report.missing)
    return "unexpected " + _some(report.unexpected)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - SHOWN
    return ", ".join(listed[:SHOWN]) + (f" and {more} more" if more > 0 else "")
