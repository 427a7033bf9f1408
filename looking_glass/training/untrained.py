"""The model in `model.init` as it is, without training: `train.steps: 0`."""

from __future__ import annotations

import math

import pandas as pd
import torch

from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.memory import weight_bytes
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.memory import PYTORCH, require
from looking_glass.text.corpus import Corpus
from looking_glass.text.sample import n_tokens, sample_runs
from looking_glass.training.start import build, is_checkpoint
from looking_glass.training.training import Losses, check_lengths

COPIES = 2  # of the weights: the given ones, and those that they are put into


def as_given(
    shape: ModelParams, corpus: Corpus, device: torch.device | None = None
) -> tuple[GPT, pd.DataFrame]:
    """Return the model in `shape.init`, in eval mode, and its losses: the history's one row.

    The losses are in nats/token, as at an evaluation of training; there were no batches, so theirs
    is NaN. Raises `InputError` when `init` is no directory, when its model does not have the shape
    asked for, when a part of the text is shorter than a block, or memory does not suffice.
    """
    if not is_checkpoint(shape.init):
        raise InputError(
            "train.steps: 0 takes a model as it is, and model.init must then be its directory, got "
            f"{shape.init}: give one, or train for a step or more"
        )
    check_lengths(corpus, shape.block_size)
    device, config = device or torch.device("cpu"), shape.config(corpus.vocab_size)
    needs = {"the start": {"PyTorch": PYTORCH, "weights": COPIES * weight_bytes(config)}}
    keys = {"weights": ("model.n_embd", "model.n_layer")}
    require(needs, device, stage="train", keys=keys)
    model = build(shape, corpus.vocab_size).requires_grad_(False).eval().to(device)
    val = sample_runs(corpus.val)
    train = sample_runs(corpus.train, n_tokens(val))
    losses = Losses(
        step=0, train=mean_loss(model, train), val=mean_loss(model, val), batch=math.nan
    )
    columns = ["step", "train_loss", "val_loss", "batch_loss"]
    return model, pd.DataFrame([losses], columns=columns)
