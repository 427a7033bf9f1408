"""Runs of training that take a second: texts of forty tokens, and a model of one block."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.text.corpus import Corpus
from looking_glass.training.params import TrainParams
from looking_glass.training.token_table import Vocabulary
from looking_glass.training.training import Training

SETTINGS = {
    "seed": 1,
    "steps": 30,
    "batch_size": 8,
    "accumulate": 1,
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "matrix_rate": 1e-2,
    "warmup_steps": 3,
    "weight_decay": 0.1,
    "embedding_decay": 0.05,
    "discount": 0.5,
    "noise": 0.0,
    "softmax": "full",
    "sampled_tokens": 8,
    "precision": "float32",
    "compile": False,
    "evaluate_every": 10,
    "keep": "best",
}
SHAPE: Any = {"vocab_size": 40, "block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 16}
BYTES = [f" {chr(97 + i % 26)}{'ing' * (i % 3)}".encode() for i in range(40)]


def settings(**changes: object) -> TrainParams:
    return TrainParams.model_validate({**SETTINGS, **changes})


def song(n_train: int = 400, n_val: int = 60) -> Corpus:
    """A text that goes round in a circle of seven tokens: any model can learn it."""
    tokens = np.arange(n_train + n_val, dtype=np.uint16) % 7
    return Corpus(train=tokens[:n_train], val=tokens[n_train:], vocab_size=40, val_bytes=n_val)


def noise() -> Corpus:
    """A text in which nothing follows from anything, half of its validation tokens never seen."""
    draw = np.random.default_rng(0)
    return Corpus(
        train=draw.integers(0, 20, 60).astype(np.uint16),
        val=draw.integers(0, 40, 60).astype(np.uint16),
        vocab_size=40,
        val_bytes=60,
    )


def start(
    corpus: Corpus | None = None, tie: bool = True, dropout: float = 0.1, **changes: object
) -> Training:
    """Return a run from scratch, on the song unless another text is given."""
    torch.manual_seed(0)
    config = GPTConfig(**SHAPE, tie_weights=tie, dropout=dropout)
    corpus = corpus or song()
    vocabulary = Vocabulary(corpus.train, BYTES)
    return Training(GPT(config), corpus, vocabulary, settings(**changes))
