"""Write what is made from the rows of the actions (`make actions`).

That is docs/reference/actions.md, and the commands and menus of the manifest.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions.models import ACTION_TYPES, COMMANDS
from napari_spinalsam.actions.replies import LONGEST_PLAN, reply_schema
from napari_spinalsam.core.anatomy import REGIONS, STRUCTURE_NAMES

if TYPE_CHECKING:
    from napari_spinalsam.actions.models import BaseAction

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "actions.md"
MANIFEST = ROOT / "src" / "napari_spinalsam" / "napari.yaml"
# Between these lines of the manifest stands what is made here.
BEGIN, END = "# From the rows of the actions, by `make actions`:", "# (end of the rows)"
HEAD = """# Actions

This page is made from the models of the actions: `make actions`.

Buttons, keys, menu commands, sentences and language models all produce the same
actions, and one executor applies them. A plan holds 1 to {longest} of them; it runs
whole or not at all, and undoes as one step. A sentence becomes a plan, a question back
(`clarify`) or a refusal (`refuse`).

```python
from napari_spinalsam import api

handle = api.attach(viewer)
handle.run({{"action": "add_points", "count": 3, "structure": "L3"}})
handle.run("add 3 points to L3")  # the same, understood offline
```

*Read* shows or tells something. *Edit* changes the annotation. *Destructive* removes
what you made and asks first when it was said. *Write* writes a file and asks first too.
Undo takes back every edit and every destructive action.

| Action | Arguments (default) | Class | What it does | Menu (key) |
|---|---|---|---|---|
"""
TAIL = """
A **structure** is one of {structures}. A **region** is one of {regions}.

## JSON schema of a reply

A language model is asked for exactly this; what does not fit is refused.

```json
{schema}
```
"""


def page() -> str:
    """Return the text of the page."""
    definitions = reply_schema()["$defs"]
    rows = "".join(
        f"| `{name}` | {_arguments(definitions[kind.__name__])} "
        f"| {kind.action_class} | {inspect.getdoc(kind)} | {_menus(kind)} |\n"
        for name, kind in ACTION_TYPES.items()
    )
    tail = TAIL.format(
        structures=_names(STRUCTURE_NAMES),
        regions=_names(REGIONS),
        schema=json.dumps(reply_schema(), indent=1),
    )
    return HEAD.format(longest=LONGEST_PLAN) + rows + tail


def manifest(text: str) -> str:
    """Return the manifest with the commands and menus of all actions."""
    commands = "".join(
        f"    - id: napari-spinalsam.{name}\n"
        f"      title: {command.title}\n"
        f"      python_name: napari_spinalsam.widgets.commands:{name}\n"
        for name, (_, command) in COMMANDS.items()
    )
    menus = "".join(
        f"    spinalsam_{menu}:\n"
        + "".join(
            f"      - command: napari-spinalsam.{name}\n"
            for name, (_, command) in COMMANDS.items()
            if command.menu == menu
        )
        for menu in dict.fromkeys(command.menu for _, command in COMMANDS.values())
    )
    made = iter((commands, menus))
    between = re.compile(
        rf"( *{re.escape(BEGIN)}\n).*?( *{re.escape(END)}\n)", re.DOTALL
    )
    return between.sub(lambda found: found[1] + next(made) + found[2], text)


def _menus(kind: type[BaseAction]) -> str:
    """Name the commands of an action, with their keys."""
    return "; ".join(
        command.title + (f" ({command.key})" if command.key else "")
        for command in kind.commands
    )


def _arguments(definition: dict[str, Any]) -> str:
    properties = definition["properties"]
    arguments = [
        f"`{name}`: {_kind(field)}" + _default(field)
        for name, field in properties.items()
        if name != "action"
    ]
    return "; ".join(arguments) or "–"


def _kind(field: dict[str, Any]) -> str:
    """Say in words which values an argument takes."""
    if "anyOf" in field:
        kinds = [one for one in field["anyOf"] if one.get("type") != "null"]
        return " or ".join(map(_kind, kinds))
    if "$ref" in field:
        field = reply_schema()["$defs"][field["$ref"].rsplit("/", 1)[1]]
    if set(field.get("enum", ())) >= set(STRUCTURE_NAMES):
        both = set(field["enum"]) > set(STRUCTURE_NAMES)
        return "structure or region" if both else "structure"
    if "enum" in field:
        return ", ".join(field["enum"])
    if field["type"] == "array":
        return f"list of ({_kind(field['items'])})"
    least = field.get("minimum", field.get("exclusiveMinimum"))
    most = field.get("maximum")
    bounds = f" from {least}" if least is not None else ""
    return field["type"] + bounds + (f" to {most}" if most is not None else "")


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    text = ", ".join(value) if isinstance(value, list) else json.dumps(value)
    return f" ({text.strip(chr(34))})"


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> int:
    """Write the page, or check that it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    made = {PAGE: page(), MANIFEST: manifest(MANIFEST.read_text("utf-8"))}
    stale = [file for file, text in made.items() if file.read_text("utf-8") != text]
    for file in stale:
        if check:
            print(f"{file.relative_to(ROOT)} is not current: run `make actions`.")
        else:
            file.write_text(made[file], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
