"""The memory that a GPT takes, in bytes: its float32 weights, and what a pass keeps of a token."""

from __future__ import annotations

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.short_attention import LONGEST
from looking_glass.pipeline.memory import FLOAT


def embedding_bytes(config: GPTConfig) -> int:
    """Return those of one table of token embeddings, (V, C)."""
    return FLOAT * config.vocab_size * config.n_embd


def matrix_bytes(config: GPTConfig) -> int:
    """Return those of the blocks' matrices: 3 C², C², 4 C² and 4 C² in each."""
    return FLOAT * 12 * config.n_layer * config.n_embd**2


def body_bytes(config: GPTConfig) -> int:
    """Return those of all weights but token embeddings and output layer.

    Beside the matrices that is 13 C of biases and LayerNorms a block, the positions, and the last
    LayerNorm.
    """
    vectors = 13 * config.n_layer + config.block_size + 2
    return matrix_bytes(config) + FLOAT * vectors * config.n_embd


def weight_bytes(config: GPTConfig) -> int:
    """Return those of all weights."""
    tables = 1 if config.tie_weights else 2
    return body_bytes(config) + tables * embedding_bytes(config)


def learning_bytes(config: GPTConfig, n_tokens: int) -> int:
    """Return what a pass over so many tokens keeps for the gradients of weights and inputs.

    A block keeps for each token 16 C: what each LayerNorm reads and makes (4 C), query, key, value
    and what attention gathers (4 C), the GELU's slope and what it makes (8 C). Dropout keeps a mask
    of both branches (2 C). Short sequences keep their attention's pattern; with dropout of
    attention any do, its mask and their product too. Around the blocks: the embeddings (C, with
    dropout 2 C), and the last LayerNorm's output (C).
    """
    C, row = config.n_embd, config.n_head * config.block_size
    in_block = 16 * C + (2 * C if config.dropout > 0 else config.n_head)
    if config.attention_dropout > 0:
        in_block += 3 * row
    elif config.block_size <= LONGEST:
        in_block += row
    around = 3 * C if config.embedding_dropout > 0 else 2 * C
    return FLOAT * n_tokens * (config.n_layer * in_block + around)


def following_bytes(config: GPTConfig, n_tokens: int) -> int:
    """Return what a pass over so many tokens keeps for the gradients of its inputs alone.

    Weights that are frozen need none of what they multiply: of a block's 16 C a token there are
    left what each LayerNorm reads (2 C), the GELU's slope (4 C), and of attention 4 C, or, where
    the sequence is short, 3 C and the pattern.
    """
    C, row = config.n_embd, config.n_head * min(config.block_size, LONGEST)
    return FLOAT * n_tokens * (config.n_layer * (9 * C + max(C + config.n_head, row)) + 2 * C)


def passing_bytes(config: GPTConfig, n_tokens: int) -> int:
    """Return what is there at most, at once, in a pass over so many tokens that keeps nothing.

    That is in the MLP: the stream before and after attention, what the LayerNorm makes, and three
    times 4 C in the GELU.
    """
    return FLOAT * n_tokens * 15 * config.n_embd
