"""Bring the catalogues of messages up to date with the code (`make messages`).

A message is in the code what `msg`, `msgn` and `msgc` are given. Its translations are
written by hand into the .po files; napari-spinalsam reads the .mo files beside them.
"""

from __future__ import annotations

import argparse
import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).parents[1] / "src" / "napari_spinalsam"
KEYWORDS = {"msg": None, "msgn": (1, 2), "msgc": ((1, "c"), 2)}
HEAD = "# What napari-spinalsam says, in the language of the folder."


class TranslationCatalog(Catalog):
    """A catalogue that holds no dates and no versions: these differ at each run."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """Return the head of the file."""
        return [
            ("Language", str(self.locale)),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Plural-Forms", self.plural_forms),
        ]


def extracted() -> Catalog:
    """Return the messages of the code, without translations."""
    found = Catalog()
    for _, _, message, _, context in extract_from_dir(SOURCE, keywords=KEYWORDS):
        found.add(message, context=context)
    return found


def updated(path: Path, template: Catalog) -> Catalog:
    """Return the catalogue of a language with all messages of the code and no others.

    Parameters
    ----------
    path : Path
        The .po file.
    template : Catalog
        From `extracted`.
    """
    with path.open("rb") as file:
        known = read_po(file, locale=path.parts[-3])
    catalog = TranslationCatalog(known.locale, header_comment=HEAD, fuzzy=False)
    for message in template:
        if message.id:
            same = known.get(message.id, message.context)
            translated = "" if same is None else same.string
            catalog.add(message.id, translated, context=message.context)
    return catalog


def po_of(catalog: Catalog) -> bytes:
    """Return the .po file of a catalogue, in the order of the messages."""
    file = BytesIO()
    write_po(file, catalog, width=88, sort_output=True)
    return file.getvalue()


def mo_of(catalog: Catalog) -> bytes:
    """Return the .mo file of a catalogue."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def main() -> int:
    """Write the catalogues, or say which of them are not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    template = extracted()
    stale = False
    for path in sorted((SOURCE / "locale").glob("*/LC_MESSAGES/*.po")):
        catalog = updated(path, template)
        for message in catalog:
            if message.id and not all(_strings(message.string)):
                print(f"{path.parts[-3]}: no words for {message.id!r}")
        for file, wanted in (
            (path, po_of(catalog)),
            (path.with_suffix(".mo"), mo_of(catalog)),
        ):
            if file.exists() and file.read_bytes() == wanted:
                continue
            stale = True
            if check:
                print(f"{file} is not up to date: run `make messages`.")
            else:
                file.write_bytes(wanted)
    return int(check and stale)


def _strings(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string) or ("",)


if __name__ == "__main__":
    sys.exit(main())
