"""Which run a loss was measured on: what tells one text, model and training from another."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def settings_key(settings: dict[str, Any], n_tokens: int, n_distinct: int) -> str:
    """Return a key of the whole text, the model and how it is trained.

    `settings` are all parameters as they are written, `n_tokens` and `n_distinct` the tokens of the
    whole text. The seed and the end that is held out are no part of the key.
    """
    sections: dict[str, Any] = {name: settings[name] for name in ("model", "train", "encode")}
    for section, key in (("train", "seed"), ("encode", "held_out")):
        sections[section] = {k: v for k, v in sections[section].items() if k != key}
    text = json.dumps([sections, n_tokens, n_distinct], sort_keys=True)
    return f"s{hashlib.sha256(text.encode()).hexdigest()[:11]}"  # a letter first: never a number
