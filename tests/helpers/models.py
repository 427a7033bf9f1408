"""Models too small to be slow."""

from __future__ import annotations

import torch
from torch import Tensor

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.gpt.sampling import DIGITS


def make_model(**changes: int | float | bool) -> GPT:
    """Return a small model in eval mode whose weights are ten times as wide as a fresh one's."""
    shape = {"vocab_size": 97, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 8}
    model = GPT(GPTConfig(**{**shape, **changes}))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.requires_grad_(False)
    return model.eval()


def planted(rows: list[list[float]], shift: float = 0.0) -> GPT:
    """Return a model with these output rows and a last LayerNorm that only adds `shift`."""
    model = make_model(vocab_size=len(rows), n_embd=len(rows[0]), n_head=1)
    with torch.no_grad():
        model.lm_head.weight.copy_(torch.tensor(rows))
        model.transformer.ln_f.weight.fill_(1)
        model.transformer.ln_f.bias.fill_(shift)
    return model


def numbers(n: int, length: int, seed: int = 1) -> Tensor:
    """Return uniform numbers for `n` sentences of so many draws: (n, length, DIGITS)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, length, DIGITS, generator=generator, dtype=torch.double)
