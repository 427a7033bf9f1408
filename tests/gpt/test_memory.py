"""What a model is said to take is what PyTorch holds of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.gpt import memory
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.gpt.short_attention import LONGEST

B, T, C = 4, 24, 48


def shape(**changes: float) -> GPTConfig:
    known = {"vocab_size": 60, "block_size": T, "n_layer": 3, "n_head": 4, "n_embd": C}
    return GPTConfig(**{**known, **changes})  # type: ignore[arg-type]


def kept_by(model: GPT, x: Tensor) -> int:
    """Return the bytes that a pass keeps for its gradients, weights apart, each memory once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}  # the tensors themselves: what is freed may be given out again

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden = model.hidden(x)
    kept[hidden.untyped_storage().data_ptr()] = hidden
    return sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in own)


@pytest.mark.parametrize("tie", [True, False])
def test_the_weights_are_counted_exactly(tie: bool) -> None:
    model = GPT(shape(tie_weights=tie))
    assert memory.weight_bytes(model.config) == 4 * sum(p.numel() for p in model.parameters())
    assert memory.embedding_bytes(model.config) == 4 * model.transformer.wte.weight.numel()
    matrices = sum(p.numel() for p in model.transformer.h.parameters() if p.ndim == 2)
    assert memory.matrix_bytes(model.config) == 4 * matrices


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("embedding_dropout", [0.0, 0.2])
@pytest.mark.parametrize("attention_dropout", [0.0, 0.1])
def test_what_learning_keeps_is_what_is_told(
    dropout: float, embedding_dropout: float, attention_dropout: float
) -> None:
    changes = {"dropout": dropout, "attention_dropout": attention_dropout}
    model = GPT(shape(**changes, embedding_dropout=embedding_dropout)).train()
    kept = kept_by(model, torch.randn(B, T, C, requires_grad=True))
    assert memory.learning_bytes(model.config, B * T) == pytest.approx(kept, rel=0.04)


@pytest.mark.parametrize("length", [T, LONGEST + 1])
def test_what_attention_keeps_depends_on_the_length(length: int) -> None:
    model = GPT(shape(block_size=length)).train()
    kept = kept_by(model, torch.randn(B, length, C, requires_grad=True))
    assert memory.learning_bytes(model.config, B * length) == pytest.approx(kept, rel=0.04)


def test_frozen_weights_keep_less() -> None:
    model = GPT(shape()).requires_grad_(False).eval()
    kept = kept_by(model, torch.randn(B, T, C, requires_grad=True))
    assert memory.following_bytes(model.config, B * T) == pytest.approx(kept, rel=0.04)
