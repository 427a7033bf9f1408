"""The weights of a Hugging Face directory: in one safetensors file, or in several with an index."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from looking_glass.pipeline.artifacts import read_json
from looking_glass.pipeline.errors import InputError, shorten
from looking_glass.pipeline.memory import require

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
COPIES = 3  # of the weights in float32, while they are read: as read, turned, and in use
_HALVES = 2  # float32 takes so many times what a file of 16 bits a weight does
_AGAIN = "run dvc repro -f -s train, or save the model again"


def weight_files(directory: Path) -> list[Path]:
    """Return the files of a directory that hold its weights: one, or the index and its parts.

    The one file goes before an index, as in transformers. Where neither is there, the one file is
    named. Raises `InputError` when the index is damaged, or a part of it is not there.
    """
    single, index = directory / WEIGHTS_FILE, directory / INDEX_FILE
    if single.exists() or not index.is_file():
        return [single]
    parts = [directory / name for name in dict.fromkeys(_places(index).values())]
    for part in parts:
        if not part.is_file():
            raise InputError(f"{part}: required by {INDEX_FILE}, and not there: {_AGAIN}")
    return [index, *parts]


def read_weights(directory: Path) -> dict[str, Tensor]:
    """Return every tensor by the name that the files give it, in their own precision.

    Raises `InputError` when a file is damaged, when parts and index do not agree, or when memory
    does not suffice.
    """
    first, *parts = weight_files(directory)
    _check_memory(parts or [first], first)
    if not parts:
        return _read(first)
    found: dict[str, Tensor] = {}
    places = _places(first)
    for part in parts:
        tensors = _read(part)
        wanted = {name for name, file in places.items() if file == part.name}
        if odd := sorted(wanted ^ set(tensors)):
            here = "is not in it" if odd[0] in wanted else f"is in it and not so in {INDEX_FILE}"
            raise InputError(f"{part}: {shorten(odd[0])} {here}: {_AGAIN}")
        found |= tensors
    return found


def _places(index: Path) -> dict[str, str]:
    """Return which file each tensor is in, by the index."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{index}: a weight_map of tensors to files is required: {_AGAIN}")
    for name in places.values():
        plain = isinstance(name, str) and Path(name).name == name
        if not plain or not name.endswith(".safetensors"):
            raise InputError(
                f"{index}: names of safetensors files beside it are required, got "
                f"{shorten(repr(name))}: {_AGAIN}"
            )
    return places


def _check_memory(files: list[Path], told: Path) -> None:
    """Raise `InputError` when the weights do not fit in memory: as read, turned, and in use."""
    if all(path.is_file() for path in files):
        size = sum(path.stat().st_size for path in files) * (_HALVES if _is_half(files[0]) else 1)
        needs = {"its weights": {"the file's weights": COPIES * size}}
        keys = {"the file's weights": ("model.n_layer", "model.n_embd")}
        require(needs, torch.device("cpu"), stage=str(told), keys=keys)


def _is_half(path: Path) -> bool:
    """Return whether a file's head, the JSON before its tensors, tells of 16 bits a weight."""
    with path.open("rb") as file:
        head = file.read(4096)
    return b'"BF16"' in head or b'"F16"' in head


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)  # by torch: NumPy has no bfloat16
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {shorten(str(error), 160)}: {_AGAIN}") from None
