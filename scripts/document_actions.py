"""Write docs/reference/actions.md from the models of the actions (`make actions`)."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from pathlib import Path
from typing import Any

from napari_spinalsam.actions.models import ACTION_TYPES
from napari_spinalsam.actions.replies import LONGEST_PLAN, reply_schema
from napari_spinalsam.core.anatomy import REGIONS, STRUCTURE_NAMES

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "actions.md"
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

| Action | Arguments (default) | Class | What it does |
|---|---|---|---|
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
        f"| {kind.action_class} | {inspect.getdoc(kind)} |\n"
        for name, kind in ACTION_TYPES.items()
    )
    tail = TAIL.format(
        structures=_names(STRUCTURE_NAMES),
        regions=_names(REGIONS),
        schema=json.dumps(reply_schema(), indent=1),
    )
    return HEAD.format(longest=LONGEST_PLAN) + rows + tail


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
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/reference/actions.md is not current: run `make actions`.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
