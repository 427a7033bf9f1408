"""The weights that training starts from: drawn, or another model's in Hugging Face's format."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from looking_glass.gpt.checkpoint import VOCAB_FILE, load_checkpoint
from looking_glass.gpt.checkpoint_config import CONFIG_FILE
from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.mingpt import build_mingpt
from looking_glass.gpt.model import GPT, Block
from looking_glass.gpt.weight_files import INDEX_FILE, WEIGHTS_FILE, weight_files
from looking_glass.pipeline.artifacts import read_json
from looking_glass.pipeline.errors import InputError
from looking_glass.training.positions import position_channels, see_positions

SCRATCH, POSITIONS = "scratch", "positions"  # model.init, where it is no directory
# What must be the same in both, by its name in section `model`.
SHAPE = ("n_layer", "n_head", "n_embd", "tie_weights")


def build(params: ModelParams, vocab_size: int) -> GPT:
    """Return the model to train, its weights drawn from the global generator or those given."""
    config = params.config(vocab_size)
    model = GPT(config) if params.implementation == "builtin" else build_mingpt(config)
    if params.init == POSITIONS:
        see_positions(model)
    elif is_checkpoint(params.init):
        start_from(model, Path(params.init))
    first = cast(Block, model.transformer.h[0])  # by its own names, which minGPT's has too
    first.attn.resid_dropout.p = params.first_attention_dropout
    return model


def is_checkpoint(init: str) -> bool:
    """Return whether `model.init` is a directory with a GPT-2, and not a way to draw weights."""
    return init not in (SCRATCH, POSITIONS)


def free_channels(params: ModelParams, vocab_size: int) -> int:
    """Return how many channels the token embeddings leave to the positions at the start."""
    return position_channels(params.config(vocab_size)) if params.init == POSITIONS else 0


def checkpoint_files(init: str) -> list[Path]:
    """Return the files that decide what `model.init` starts from; raise `InputError` if missing."""
    if not is_checkpoint(init):
        return []
    files = [Path(init) / CONFIG_FILE, *weight_files(Path(init))]
    for path in files:
        if not path.is_file():
            raise InputError(
                f"model.init: must be {POSITIONS}, {SCRATCH} or a directory with {CONFIG_FILE} and "
                f"{WEIGHTS_FILE} (or {INDEX_FILE} and its parts), {path} is not there: correct the "
                "path, or save the model with transformers' save_pretrained"
            )
    return files


def check_encoder(init: str, vocab: Path) -> None:
    """Raise `InputError` when the model in `init` brings another encoder than that of the text.

    The `vocab.json` beside it, if there is one, must give each token the id that `vocab` gives it.
    """
    theirs = Path(init) / VOCAB_FILE
    if is_checkpoint(init) and theirs.is_file() and read_json(theirs) != read_json(vocab):
        raise InputError(
            f"model.init: the encoder of the text ({vocab}) is required, {theirs} has other "
            "tokens: give download its vocab.json and merges.txt (download.tables_source: local)"
        )


@torch.no_grad()
def start_from(model: GPT, directory: Path) -> None:
    """Give `model` the weights of the GPT-2 in `directory`, of its positions the first that fit.

    Raises `InputError`, naming the key, unless both have the same shape; only the block of the one
    in `directory` may be longer.
    """
    checkpoint_files(str(directory))
    theirs = load_checkpoint(directory)
    ours, found = model.config, theirs.config
    if found.vocab_size != ours.vocab_size:
        raise InputError(
            f"model.init: the vocabulary must be the encoder's {ours.vocab_size} tokens, "
            f"{directory} has {found.vocab_size}: choose a GPT-2 with this encoder, or give "
            "download its vocab.json and merges.txt (download.tables_source: local)"
        )
    if differ := [key for key in SHAPE if getattr(found, key) != getattr(ours, key)]:
        first = differ[0]
        raise InputError(
            _differs(first, getattr(ours, first), directory, getattr(found, first))
            + "".join(f"; model.{key} {getattr(found, key)} too" for key in differ[1:])
        )
    if found.block_size < ours.block_size:
        raise InputError(_differs("block_size", ours.block_size, directory, found.block_size))
    weights = theirs.state_dict()
    positions = "transformer.wpe.weight"
    weights[positions] = weights[positions][: ours.block_size]
    for name, parameter in model.named_parameters():
        parameter.copy_(weights[name])


def _differs(key: str, ours: object, directory: Path, found: object) -> str:
    rule = "must be at most" if key == "block_size" else "must be"
    return (
        f"model.{key}: {rule} {found}, which the checkpoint in model.init ({directory}) has, "
        f"got {ours}: change it, or choose another checkpoint"
    )
