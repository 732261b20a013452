"""The anatomical planes, without anything that is slow to import."""

from __future__ import annotations

from enum import StrEnum


class Plane(StrEnum):
    """The anatomical planes, named after what is seen in the slice."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    @property
    def axis(self) -> int:
        """Axis of a canonical (z, y, x) array that slices of this plane cut."""
        return (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL).index(self)

    @classmethod
    def of_axis(cls, axis: int) -> Plane:
        """Return the plane whose slices are perpendicular to an array axis."""
        return (cls.AXIAL, cls.CORONAL, cls.SAGITTAL)[axis]
