"""Karpathy's own class in place of ours: asked for by name, and into the same checkpoint."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.mingpt import build_mingpt
from looking_glass.gpt.model import Transformer
from looking_glass.pipeline.errors import InputError
from looking_glass.training.loop import train
from looking_glass.training.token_table import Vocabulary
from looking_glass.training.training import Training
from tests.helpers.training import BYTES, SHAPE, settings, song


def test_mingpt_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mingpt.model", None)
    with pytest.raises(InputError, match="requires an importable package mingpt"):
        build_mingpt(GPTConfig(**SHAPE))


class StandIn(nn.Module):
    """minGPT's documented interface: a config to fill in, and GPT-2's names for its modules."""

    @staticmethod
    def get_default_config() -> types.SimpleNamespace:
        return types.SimpleNamespace(model_type="gpt", n_layer=None, n_head=None, n_embd=None)

    def __init__(self, config: types.SimpleNamespace) -> None:
        super().__init__()
        assert config.model_type is None, "either a type or a shape"
        shape = GPTConfig(
            vocab_size=config.vocab_size,
            block_size=config.block_size,
            n_layer=config.n_layer,
            n_head=config.n_head,
            n_embd=config.n_embd,
            dropout=config.attn_pdrop,
        )
        parts = Transformer(shape)
        for block in parts.blocks:
            block.attn.register_buffer("bias", torch.ones(1, 1, 8, 8).tril())
        self.transformer = nn.ModuleDict(dict(parts.named_children()))
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)


def test_karpathys_own_class_trains_where_it_is_there(tmp_path: Path) -> None:
    pytest.importorskip("mingpt.model")
    config = GPTConfig(**SHAPE)
    run = Training(build_mingpt(config), song(), Vocabulary(song().train, BYTES), settings())
    train(run)
    save_checkpoint(tmp_path, run.finish().state_dict(), config)
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert torch.allclose(load_checkpoint(tmp_path)(tokens), run.learner.model(tokens), atol=1e-5)


@pytest.mark.parametrize("tie", [True, False])
def test_mingpts_class_trains_into_the_same_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tie: bool
) -> None:
    module = types.ModuleType("mingpt.model")
    module.GPT = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mingpt", types.ModuleType("mingpt"))
    monkeypatch.setitem(sys.modules, "mingpt.model", module)
    config = GPTConfig(**SHAPE, tie_weights=tie)
    run = Training(build_mingpt(config), song(), Vocabulary(song().train, BYTES), settings())
    assert "transformer.h.0.attn.bias" in run.learner.model.state_dict()
    train(run)
    model = run.finish()
    save_checkpoint(tmp_path, model.state_dict(), config)
    tokens = torch.tensor([[1, 2, 3, 4]])
    assert torch.allclose(load_checkpoint(tmp_path)(tokens), model(tokens), atol=1e-6)
