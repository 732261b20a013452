"""`prepare --source`: a data set becomes a store of slices, going on after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from napari_spinalsam.core.errors import InputError
from training.slices.slicing import SliceSettings, read_case
from training.slices.sources import Case, find_cases
from training.slices.split import LEAK_WARNING, SplitBy, hold_back
from training.slices.store import (
    INDEX,
    SliceStore,
    read_stored_case,
    stored_fingerprint,
    write_case,
)

if TYPE_CHECKING:
    from training.slices.label_maps import Source

# 2: the filter of small targets is that of a class, no longer of each structure.
VERSION = 2

logger = logging.getLogger(__name__)


def prepare_slices(
    source: Source,
    path: Path,
    store: Path,
    settings: SliceSettings | None = None,
    *,
    split: SplitBy = "patient",
    test_share: float = 0.2,
    seed: int = 0,
) -> SliceStore:
    """Bring a data set to a store of slices; the same input gives the same store.

    Scans that are there already, made from the same files and settings, are kept.

    Parameters
    ----------
    source : {"verse", "totalsegmentator", "spider", "folder"}
        How the data set is laid out.
    path, store : Path
        Folder to read and folder to write.
    settings : SliceSettings, optional
        How slices are made.
    split : {"patient", "slice"}
        What is kept together in one part of the split.
    test_share : float
        Share of patients, or of slices, that is held back; the paper has 0.2.
    seed : int
        Of the split.

    Raises
    ------
    InputError
        If the data set is not as it should be, or no slice shows enough of anything.
    """
    settings = settings or SliceSettings()
    if split == "slice" and test_share:
        print(LEAK_WARNING, file=sys.stderr)
    cases = find_cases(source, path)
    (store / INDEX).unlink(missing_ok=True)  # a store is complete once it is back
    shown = sys.stderr.isatty()
    for case in tqdm(cases, "prepare", unit="scan", disable=not shown):
        _prepare_case(case, store, settings)
    stored = [read_stored_case(store, case.name) for case in cases]
    if not any(case.rows for case in stored):
        raise InputError(
            f"No slice of {path} passes the filters: draw labels where they are "
            "empty, or lower --smallest-share or --short-side."
        )
    index: dict[str, Any] = {
        "version": VERSION,
        "source": source,
        "settings": settings.model_dump(),
        "split": split,
        "test_share": test_share,
        "seed": seed,
        "cases": [case.name for case in stored if case.rows],
        "test": hold_back(stored, test_share, seed, split),
    }
    seen = json.dumps([case.digest for case in stored]) + json.dumps(index)
    index["digest"] = hashlib.sha256(seen.encode()).hexdigest()
    unfinished = store / f".{INDEX}.part"
    unfinished.write_text(json.dumps(index, indent=1), "utf-8")
    os.replace(unfinished, store / INDEX)
    return SliceStore(store)


def describe(store: SliceStore) -> str:
    """Return in one line what a store holds."""
    planes = Counter(row.plane for case in store.cases.values() for row in case.rows)
    patients = {case.patient for case in store.cases.values()}
    told = ", ".join(f"{count} {plane}" for plane, count in sorted(planes.items()))
    return (
        f"{len(store.cases)} scans of {len(patients)} patients, {told} slices of "
        f"{store.settings.size} pixels; {len(store.keys('train'))} to train on, "
        f"{len(store.keys('test'))} to test on; sha256 {store.digest[:12]}"
    )


def _prepare_case(case: Case, store: Path, settings: SliceSettings) -> None:
    fingerprint = _fingerprint(case, settings)
    if stored_fingerprint(store, case.name) == fingerprint:
        logger.info("%s is prepared already", case.name)
        return
    scan = read_case(case, settings)
    write_case(store, case.name, case.patient, scan, settings, fingerprint)
    count = len(read_stored_case(store, case.name).rows)
    if not scan.labels.any():
        logger.warning("%s: its labels are empty, and it is left out", case.name)
    elif not count:
        logger.warning("%s has no slice that passes the filters", case.name)
    else:
        logger.info("%s: %d slices", case.name, count)


def _fingerprint(case: Case, settings: SliceSettings) -> str:
    digest = hashlib.sha256(settings.model_dump_json().encode())
    digest.update(f"{VERSION} {case.patient}".encode())
    for file in case.labels:
        digest.update(json.dumps(sorted((file.values or {}).items())).encode())
    for path in (case.image, *(file.path for file in case.labels)):
        with Path(path).open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
