"""The shape of a model: section `model` of the parameters, and what a checkpoint says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from looking_glass.pipeline.params import Section, wrong

# Of any model that one machine trains; what is above is a slip, and would fill its memory.
MOST_LAYERS, WIDEST = 1000, 65_536


class ModelParams(Section):
    """Section `model`."""

    implementation: Literal["builtin", "mingpt"]
    init: str = Field(min_length=1)  # "positions", "scratch", or a directory with a GPT-2
    n_layer: int = Field(ge=1, le=MOST_LAYERS)
    n_head: int = Field(ge=1, le=WIDEST)
    n_embd: int = Field(ge=1, le=WIDEST)
    block_size: int = Field(ge=2, le=WIDEST)
    embedding_dropout: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    attention_dropout: float = Field(ge=0, lt=1)
    first_attention_dropout: float = Field(ge=0, lt=1)
    tie_weights: bool

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> ModelParams:
        if self.n_embd % self.n_head:
            raise wrong(
                "n_embd",
                "n_embd must be divisible by n_head, "
                f"got n_embd {self.n_embd} and n_head {self.n_head}",
            )
        return self

    def config(self, vocab_size: int) -> GPTConfig:
        """Return the shape of a model with this many tokens."""
        shape = self.model_dump(exclude={"implementation", "init", "first_attention_dropout"})
        return GPTConfig(vocab_size=vocab_size, **shape)


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """The shape of a model; the dropouts act in training alone."""

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    tie_weights: bool = True
    embedding_dropout: float = 0.0  # of what enters the first block
    dropout: float = 0.0  # of what is added to the residual stream
    attention_dropout: float = 0.0  # of attention patterns

    def count_weights(self) -> tuple[int, int]:
        """Return how many numbers are in embeddings of tokens, and how many in other matrices."""
        tables = 1 if self.tie_weights else 2
        others = self.n_layer * 12 * self.n_embd**2 + self.block_size * self.n_embd
        return tables * self.vocab_size * self.n_embd, others

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor of the model, by name, matrices as nn.Linear keeps them.

        Known without making the model: even on the device "meta" that takes a second, for PyTorch
        imports its compiler to draw nothing.
        """
        C = self.n_embd
        block = {"ln_1": (C,), "attn.c_attn": (3 * C, C), "attn.c_proj": (C, C)}
        block |= {"ln_2": (C,), "mlp.c_fc": (4 * C, C), "mlp.c_proj": (C, 4 * C)}
        layers = {f"h.{i}.{name}": block[name] for i in range(self.n_layer) for name in block}
        shapes: dict[str, tuple[int, ...]] = {
            "transformer.wte.weight": (self.vocab_size, C),
            "transformer.wpe.weight": (self.block_size, C),
        }
        for name, shape in (layers | {"ln_f": (C,)}).items():
            shapes[f"transformer.{name}.weight"] = shape
            shapes[f"transformer.{name}.bias"] = shape[:1]
        return shapes | {"lm_head.weight": (self.vocab_size, C)}
