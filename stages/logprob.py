"""Sample a sentence from the model and compute its log-probability."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from looking_glass.artifacts import write_csv, write_json
from looking_glass.compute import ComputeParams, prepare
from looking_glass.errors import run_stage
from looking_glass.likelihood import (
    LogprobParams,
    naive_product,
    sample,
    sentence_length,
    token_log_probs,
    total,
)
from looking_glass.model import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.params import load_section
from looking_glass.tokenizer import Tokenizer

MODEL = Path("data/model")
METRICS = Path("metrics/logprob.json")
TOKENS = Path("reports/logprob/tokens.csv")


def main() -> None:
    """Write the sampled text token by token, and the sentence's log-probability in every unit."""
    params = load_section(LogprobParams, "logprob")
    model = load_checkpoint(MODEL, prepare(load_section(ComputeParams, "compute")))
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    prompt = tokenizer.encode_prompt(params.prompt)
    drawn = sample(model, prompt, params)
    n = sentence_length(tokenizer, drawn.tokens)
    log_probs, ranks = token_log_probs(model, prompt, drawn.tokens)
    assert torch.allclose(log_probs, drawn.log_probs, atol=1e-4), (
        "rescoring disagrees with sampling"
    )

    table = pd.DataFrame(
        {
            "position": range(len(drawn.tokens)),
            "text": tokenizer.decode_each(drawn.tokens),
            "in_sentence": [int(position < n) for position in range(len(drawn.tokens))],
            "log_prob": log_probs.tolist(),
            "rank": ranks.tolist(),
            "cumulative": log_probs.double().cumsum(dim=0).tolist(),
            "float32_product": log_probs.float().exp().cumprod(dim=0).tolist(),
        }
    )
    write_csv(TOKENS, table)
    product, underflows_after = naive_product(log_probs)
    sentence_product, _ = naive_product(log_probs[:n])
    write_json(
        METRICS,
        {
            "tokens": n,
            "unscored_prompt_tokens": len(prompt),
            **asdict(total(log_probs[:n])),
            "sampling_nats": float(drawn.sampling_log_probs[:n].double().sum()),
            "float32_product": sentence_product,
            "whole_sample": {
                "tokens": len(drawn.tokens),
                "nats": total(log_probs).nats,
                "float32_product": product,
                "underflows_after_tokens": underflows_after,
            },
        },
    )
    print(f"{tokenizer.decode(drawn.tokens[:n])!r}: {total(log_probs[:n]).nats:.2f} nats")


if __name__ == "__main__":
    run_stage(main)
