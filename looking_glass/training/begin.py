"""A run at its start, as parameters ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from looking_glass.gpt.config import ModelParams
from looking_glass.text.corpus import Corpus
from looking_glass.training.params import TrainParams
from looking_glass.training.processes import ALONE, Processes
from looking_glass.training.start import build, free_channels, is_checkpoint
from looking_glass.training.training import Training


def begin(
    shape: ModelParams,
    params: TrainParams,
    corpus: Corpus,
    token_bytes: Sequence[bytes],
    processes: Processes = ALONE,
    device: torch.device | None = None,
) -> Training:
    """Return a run whose weights, dropout, batches and noise are drawn from `params.seed`.

    It seeds the global generator. Raises `InputError` as `build` and `Training` do.
    """
    torch.manual_seed(params.seed)
    return Training(
        build(shape, corpus.vocab_size).to(device or torch.device("cpu")),
        corpus,
        token_bytes,
        params,
        processes,
        pretrained=is_checkpoint(shape.init),
        free_channels=free_channels(shape, corpus.vocab_size),
    )
