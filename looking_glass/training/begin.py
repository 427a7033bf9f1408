"""A run at its start, as parameters ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from looking_glass.gpt.config import ModelParams
from looking_glass.pipeline.memory import require
from looking_glass.text.corpus import Corpus
from looking_glass.training import memory
from looking_glass.training.params import TrainParams
from looking_glass.training.processes import ALONE, Processes
from looking_glass.training.start import build, free_channels, is_checkpoint
from looking_glass.training.token_table import Vocabulary
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

    It seeds the global generator. Raises `InputError` as `build` and `Training` do, and before any
    weight is there when memory will not suffice.
    """
    device, pretrained = device or torch.device("cpu"), is_checkpoint(shape.init)
    vocabulary = Vocabulary(corpus.train, token_bytes, apart=pretrained)
    needs = memory.moments(
        shape.config(corpus.vocab_size),
        params,
        vocabulary,
        n_processes=processes.size,
        pretrained=pretrained,
    )
    require(needs, device, stage="train", keys=memory.KEYS)
    torch.manual_seed(params.seed)
    return Training(
        build(shape, corpus.vocab_size).to(device),
        corpus,
        vocabulary,
        params,
        processes,
        pretrained=pretrained,
        free_channels=free_channels(shape, corpus.vocab_size),
    )
