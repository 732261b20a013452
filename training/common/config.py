"""Configuration files: YAML in, validated and frozen data out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


Model = TypeVar("Model", bound=BaseModel)


class Frozen(BaseModel):
    """Data that is read strictly and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_yaml(path: Path) -> object:
    """Read the content of a YAML file.

    Raises
    ------
    InputError
        If the file is missing or no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no configuration {path}: check its path.") from None
    except yaml.YAMLError as error:
        problem = str(error).splitlines()[0]
        raise InputError(
            f"{path.name} is not valid YAML ({problem}): fix it."
        ) from None


def validated(kind: type[Model], content: object, name: str) -> Model:
    """Return a model of what was read from a file.

    Raises
    ------
    InputError
        If a value is not as it should be; the first one is named.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name}: {where}: {first['msg']}.") from None


def save_config(config: BaseModel, path: Path) -> None:
    """Write a run as YAML that reads back the same."""
    path.write_text(
        yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
        encoding="utf-8",
    )
