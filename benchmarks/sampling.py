"""Draw the sampled sentences together and one at a time: the same tokens, and how much sooner."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.gpt.decoding import Drawn
from looking_glass.gpt.model import GPT
from looking_glass.gpt.sampling import DIGITS
from looking_glass.likelihood.params import LogprobParams
from looking_glass.likelihood.run import draw_all, draw_as_asked
from looking_glass.likelihood.sentences import prompt_tokens
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.params import load_section
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader

MODEL = Path("data/model")


def main() -> None:
    """Print both times, their ratio, and how many sentences are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", type=int, default=100, help="sentences drawn one at a time")
    arguments = parser.parse_args()
    params = load_section(LogprobParams, "logprob")
    compute = load_section(ComputeParams, "compute")
    model = load_checkpoint(MODEL, prepare(compute))
    tokenizer = Reader(MODEL / VOCAB_FILE, MODEL / MERGES_FILE, load_section(TextParams, "text"))
    prompt = prompt_tokens(tokenizer, params, model.config.block_size)
    generator = torch.Generator().manual_seed(params.seed)
    size = (params.samples, params.max_tokens, DIGITS)
    uniforms = torch.rand(size, generator=generator, dtype=torch.double)

    together, seconds = timed(lambda: draw_all(model, tokenizer, prompt, uniforms, params, compute))
    tokens = sum(len(one.tokens) for one in together)
    print(f"together   {len(together):5} sentences, {tokens:,} tokens in {seconds:.1f} s")
    n = min(arguments.alone, len(together))
    alone, each = timed(lambda: one_by_one(model, tokenizer, prompt, uniforms[:n], params))
    few = sum(len(one.tokens) for one in alone)
    print(f"one by one {n:5} sentences, {few:,} tokens in {each:.1f} s")
    print(f"together is {each / few / (seconds / tokens):.1f} times as fast a token")
    same = sum(a.tokens == b.tokens for a, b in zip(alone, together, strict=False))
    print(f"{same} of {n} sentences have the same tokens")


def one_by_one(
    model: GPT, tokenizer: Reader, prompt: list[int], uniforms: Tensor, params: LogprobParams
) -> list[Drawn]:
    """Draw each sentence by itself."""
    return [
        draw_as_asked(model, tokenizer, prompt, uniforms[row : row + 1], params)[0]
        for row in range(len(uniforms))
    ]


def timed(work: Callable[[], list[Drawn]]) -> tuple[list[Drawn], float]:
    """Return what `work` gives, and the seconds that it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


if __name__ == "__main__":
    main()
