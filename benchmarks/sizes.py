"""What GPT-2's sizes take to train: memory, and on paper the time and price of the smallest.

    python -m benchmarks.sizes

Nothing is trained. The memory is the estimate that `train` itself makes before it starts
(`looking_glass/training/memory.py`), with the settings of params.yaml but for the shape and one
block of 1,024 tokens a process at a time, and a text that has every token of the encoder. DDP
holds all of the state in every process. FSDP2, which this project does not have, would hold 1/n of
it in each of n, beside what a pass needs. Needs the two tables of the stage `download`, in `data/`.

The time is FLOPs a token (Kaplan et al. 2020, table 1: six for each weight of a matrix, and what
attention adds) by what a GPU does of its peak. What is assumed is below, and none of it was tried.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from looking_glass.gpt.config import GPTConfig
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.memory import Parts, needed
from looking_glass.pipeline.params import load_section
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training.memory import moments
from looking_glass.training.params import TrainParams
from looking_glass.training.token_table import Vocabulary

SHAPES = {"124M": (12, 12, 768), "355M": (24, 16, 1024), "774M": (36, 20, 1280)} | {
    "1.5B": (48, 25, 1600)
}
BLOCK, PROCESSES = 1024, 8
# What FSDP2 shares out; all else is of the tokens that a process reads.
SHARED = ("weights", "gradients", "optimizer", "the weights to keep", "temporary matrices")
TEXTS = {"10 billion": 10e9, "300 billion": 300e9}  # tokens
PEAK = 989e12  # FLOP/s of an H100 SXM in dense bfloat16, by its data sheet
USED = 0.4  # of the peak
SCALING = 0.95  # of eight GPUs' speed, beside eight times one's
PRICE = 2.5  # US dollars for a GPU and hour


def main() -> None:
    """Print both tables, as Markdown."""
    token_bytes = Tokenizer(Path("data/encoder.json"), Path("data/vocab.bpe")).token_bytes()
    vocabulary = Vocabulary(np.arange(len(token_bytes)).astype(np.uint16), token_bytes)
    params = load_section(TrainParams, "train")
    print("| shape | optimizer | one process | DDP, each | FSDP2 on 8, each |\n|" + " --- |" * 5)
    for name in SHAPES:
        for optimizer in ("muon", "adamw"):
            one = params.model_copy(update={"batch_size": 1, "optimizer": optimizer})
            many = one.model_copy(update={"batch_size": PROCESSES})
            config = shape(name, len(token_bytes))
            alone = needed(moments(config, one, vocabulary))
            each = moments(config, many, vocabulary, n_processes=PROCESSES)
            sizes = (alone, needed(each), needed({key: shared(p) for key, p in each.items()}))
            told = " | ".join(f"{size / 1e9:.1f} GB" for size in sizes)
            print(f"| GPT-2 {name} | {optimizer} | {told} |")
    print("\n| tokens | FLOPs | GPUs | hours | US dollars |\n|" + " --- |" * 5)
    for text, tokens in TEXTS.items():
        flops = tokens * flops_per_token(shape("124M", len(token_bytes)))
        for gpus in (1, 8):
            hours = flops / (PEAK * USED * gpus * (SCALING if gpus > 1 else 1)) / 3600
            print(f"| {text} | {flops:.1e} | {gpus} | {hours:,.1f} | {hours * gpus * PRICE:,.0f} |")


def shape(name: str, vocab_size: int) -> GPTConfig:
    """Return the shape of a GPT-2, without dropout, as it is trained on a large text."""
    layers, heads, width = SHAPES[name]
    return GPTConfig(
        vocab_size=vocab_size, block_size=BLOCK, n_layer=layers, n_head=heads, n_embd=width
    )


def shared(parts: Parts) -> Parts:
    """Return what is left of these parts in each process, where the state is shared out."""
    return {
        name: size // PROCESSES if name in SHARED else size
        for name, size in parts.items()
        if name != "exchanged gradients"  # FSDP2 sums them up as it shares them out
    }


def flops_per_token(config: GPTConfig) -> int:
    """Return a training step's operations for each token; attention sees half a block."""
    C = config.n_embd
    matrices = 12 * config.n_layer * C**2 + config.vocab_size * C
    return 6 * (matrices + config.n_layer * config.block_size * C)


if __name__ == "__main__":
    run_stage(main)
