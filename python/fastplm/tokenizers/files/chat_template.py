"""The chat templates of a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.jsonfile import read_bytes

TEMPLATE, TEMPLATES = "chat_template.jinja", "additional_chat_templates"
_MAX_BYTES = 4 << 20

ChatTemplate = str | dict[str, str]


def read_chat_template(
    folder: Path, path: Path, config: Mapping[str, Any], kwargs: Mapping[str, Any]
) -> ChatTemplate | None:
    """One template, or several by name: of the keyword arguments, of chat_template.jinja and the files beside
    it, of tokenizer_config.json (`path`), in this order. Raises CheckpointError.
    """
    templates: dict[str, str] = {}
    if (folder / TEMPLATE).is_file():
        templates["default"] = _text(folder / TEMPLATE)
    if (folder / TEMPLATES).is_dir():
        for file in sorted((folder / TEMPLATES).glob("*.jinja")):
            templates[file.name.removesuffix(".jinja")] = _text(file)
    value = config.get("chat_template")
    if kwargs.get("chat_template") is None and templates:
        return templates["default"] if list(templates) == ["default"] else templates
    return check_chat_template(str(path), value)


def check_chat_template(path: str, value: Any) -> ChatTemplate | None:
    """`value` if it is a template, a dict of them, or a list of objects with name and template."""
    if isinstance(value, (list, tuple)) and all(
        isinstance(entry, dict) and {"name", "template"} <= set(entry) for entry in value
    ):
        value = {entry["name"]: entry["template"] for entry in value}
    if isinstance(value, dict) and all(isinstance(x, str) for item in value.items() for x in item):
        return dict(value)
    if value is None or isinstance(value, str):
        return value
    raise CheckpointError(
        f"{path}: chat_template is a {type(value).__name__}; expected a template or a list of them"
    )


def _text(path: Path) -> str:
    try:
        return read_bytes(path, _MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path}: not UTF-8 (byte {error.start})") from None
