"""Dictated signs and mishearings."""

from __future__ import annotations

import pytest

from napari_spinalsam.language.parser.normalize import as_meant


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("coronal view comma bone window period", "coronal view , bone window ."),
        ("segment l for", "segment l 4"),
        ("add four points to see five", "add four points to c five"),
        ("go back for slices", "go back 4 slices"),
        ("下一层逗号骨窗句号", "下一层,骨窗."),
    ],
)
def test_what_was_meant_is_restored(heard, meant):
    assert as_meant(heard) == meant


@pytest.mark.parametrize(
    "text",
    ["let me see five slices", "a box for l 3", "go to slices", "point l for me"],
)
def test_what_makes_sense_stays(text):
    assert as_meant(text) == text
