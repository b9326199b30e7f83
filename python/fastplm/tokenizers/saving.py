"""Tokenizers as files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fastplm.tokenizers.vocabulary import Vocabulary


class Saving(Vocabulary):
    """save_pretrained."""

    def save_pretrained(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes tokenizer.json and tokenizer_config.json, which from_pretrained and transformers read."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        config = {"tokenizer_class": "TokenizersBackend", **self._options(), **self.special_tokens_map}
        for name in ("named_tokens", "call_defaults", "name_or_path"):
            del config[name]
        config["extra_special_tokens"] = config.pop("extra_tokens")
        files = []
        for name, content in (("tokenizer.json", self._source.to_json()), ("tokenizer_config.json", config)):
            text = json.dumps(content, ensure_ascii=False, indent=2)
            (path / name).write_text(text + "\n", encoding="utf-8")
            files.append(str(path / name))
        return tuple(files)
