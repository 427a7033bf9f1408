"""Real tokens that make the model say the sentence: our search beside nanogcg.

    python -m benchmarks.real_tokens data/model

Needs nanogcg, which is no dependency of the project. Both start from the same tokens, and may try
the same number of exchanges, in the same number of steps, with the same targets; nanogcg's settings
are its own but for these. What is found is judged by its ids, and after a round trip through its
text, which may be read as other tokens. Ours is told by ids twice: as it is, and keeping to tokens
that survive the round trip, as nanogcg's are made to.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import AutoTokenizer, GPT2LMHeadModel

from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.inversion.judging import judge
from looking_glass.inversion.params import InvertParams, SearchParams
from looking_glass.inversion.search import search
from looking_glass.pipeline.artifacts import write_csv
from looking_glass.pipeline.params import load_section
from looking_glass.text.tokenizer import Tokenizer

TABLES = Path("data/encoder.json"), Path("data/vocab.bpe")
TABLE = Path(__file__).parent / "real_tokens.csv"
Find = Callable[[str, str, int], list[int]]  # target and start as texts, a seed → ids


def main() -> None:
    """Run both searches from several seeds and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, metavar="DIR")
    parser.add_argument("--tokens", type=int, default=9, help="that are fed")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--candidates", type=int, default=32, help="exchanges tried a step")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    model, tokenizer = load_checkpoint(arguments.model), Tokenizer(*TABLES)
    params = load_section(InvertParams, "invert")
    budget = SearchParams(steps=arguments.steps, candidates=arguments.candidates)
    ways: dict[str, Find] = {
        "ours": partial(ours, model, tokenizer, budget, reread=False),
        "ours, read again": partial(ours, model, tokenizer, budget, reread=True),
        "nanogcg": partial(theirs, arguments.model, tokenizer, budget),
    }
    rows = []
    for target in (params.sentence, *params.controls):
        for seed in arguments.seeds:
            for way, find in ways.items():
                began = time.process_time()
                found = find(target, "x" + " x" * (arguments.tokens - 1), seed)
                seconds = round(time.process_time() - began, 1)
                row = {"target": target, "way": way, "seed": seed}
                row |= judged(model, tokenizer, target, found) | {"seconds": seconds}
                print(row, flush=True)
                rows.append(row)
                write_csv(TABLE, pd.DataFrame(rows))


def ours(
    model: GPT,
    tokenizer: Tokenizer,
    budget: SearchParams,
    target: str,
    start: str,
    seed: int,
    *,
    reread: bool,
) -> list[int]:
    """Return the ids that our search finds."""

    def survives(tokens: Tensor) -> Tensor:
        rows = tokens.tolist()
        return torch.tensor([tokenizer.encode(tokenizer.decode(row)) == row for row in rows])

    found = search(
        model,
        torch.tensor(tokenizer.encode(target)),
        torch.tensor(tokenizer.encode(start)),
        budget,
        parallel=False,
        generator=torch.Generator().manual_seed(seed),
        allowed=survives if reread else None,
    )
    return found.tokens.tolist()


def theirs(
    directory: Path, tokenizer: Tokenizer, budget: SearchParams, target: str, start: str, seed: int
) -> list[int]:
    """Return the ids that nanogcg finds."""
    import nanogcg

    logging.getLogger("nanogcg").setLevel(logging.ERROR)
    found = nanogcg.run(
        GPT2LMHeadModel.from_pretrained(directory).eval(),  # type: ignore[no-untyped-call]
        AutoTokenizer.from_pretrained(directory),
        "",
        target,
        nanogcg.GCGConfig(
            num_steps=budget.steps,
            search_width=budget.candidates,
            optim_str_init=start,
            use_prefix_cache=False,  # there is nothing before the tokens
            allow_non_ascii=True,  # as ours
            seed=seed,
            verbosity="ERROR",
        ),
    )
    return tokenizer.encode(found.best_string)


def judged(model: GPT, tokenizer: Tokenizer, target: str, found: list[int]) -> dict[str, Any]:
    """Return the loss after the ids, and after the tokens as which their text is read."""
    wanted = torch.tensor(tokenizer.encode(target))
    again = tokenizer.encode(tokenizer.decode(found))
    by_ids, by_text = (
        judge(model, wanted, model.embed(torch.tensor(ids))[None], parallel=False)
        for ids in (found, again)
    )
    return {
        "loss": -float(by_ids.log_probs.mean()),
        "right": int(by_ids.correct.sum()),
        "loss_read_again": -float(by_text.log_probs.mean()),
        "right_read_again": int(by_text.correct.sum()),
        "tokens": len(wanted),
        "ids": " ".join(map(str, found)),
    }


if __name__ == "__main__":
    main()
