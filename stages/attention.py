"""Show what a block attended to when the model chose the 11th word; test whether it mattered."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from looking_glass.artifacts import whole_directory, write_csv, write_json, write_tensors
from looking_glass.attention import (
    AttentionParams,
    BlockName,
    Sentence,
    block_index,
    continue_prompt,
    entropy,
    knock_out,
    rank_correlation,
    trace,
    word_pattern,
)
from looking_glass.compute import ComputeParams, prepare
from looking_glass.errors import InputError, run_stage
from looking_glass.model import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.params import load_section
from looking_glass.tokenizer import Tokenizer

MODEL = Path("data/model")
N_ALTERNATIVES = 10


def main() -> None:
    """Write the block's full pattern, its two rows by token and by word, and their knock-outs."""
    name = block_name(sys.argv[1:])
    params = load_section(AttentionParams, "attention")
    model = load_checkpoint(MODEL, prepare(load_section(ComputeParams, "compute")))
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    sentence = continue_prompt(model, tokenizer, params.prompt)
    block = block_index(name, model.config.n_layer)
    traced = trace(model, torch.tensor([sentence.tokens], device=model.device))
    heads = traced.patterns[block][0].cpu()  # (nh, T, T)
    mean = heads.mean(dim=0)  # (T, T)
    by_word = word_pattern(mean, sentence.words)  # (W, W)

    tokens, words = row_tables(sentence, tokenizer, mean, by_word)
    tokens["knock_out"] = effects(knock_out(model, sentence, block, token_spans(sentence)), tokens)
    words["knock_out"] = effects(knock_out(model, sentence, block, word_spans(sentence)), words)
    log_probs = traced.logits[0, sentence.predicting].log_softmax(dim=-1).cpu()

    with whole_directory(Path("data/attention") / name) as directory:
        arrays = {"pattern": heads.numpy(), "words": by_word.numpy()}
        write_tensors(directory / "pattern.safetensors", arrays)
    reports = Path("reports/attention") / name
    write_csv(reports / "tokens.csv", tokens)
    write_csv(reports / "words.csv", words)
    write_csv(reports / "alternatives.csv", alternatives(log_probs, tokenizer))
    write_json(
        Path("metrics") / f"attention_{name}.json",
        measure(sentence, mean, words, block, float(log_probs[sentence.chosen].exp())),
    )


def block_name(arguments: list[str]) -> BlockName:
    """Return the block asked for on the command line."""
    match arguments:
        case ["first"]:
            return "first"
        case ["last"]:
            return "last"
    raise InputError(f"stages.attention: one argument, first or last, is required, got {arguments}")


def token_spans(sentence: Sentence) -> list[tuple[int, int]]:
    """Return every position that the predicting row can see, each as a range."""
    return [(position, position + 1) for position in range(sentence.predicting + 1)]


def word_spans(sentence: Sentence) -> list[tuple[int, int]]:
    """Return every word that the predicting row can see, as its range of positions."""
    return [(w.start, w.stop) for w in sentence.words if w.stop <= sentence.predicting + 1]


def row_tables(
    sentence: Sentence, tokenizer: Tokenizer, mean: Tensor, by_word: Tensor
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predicting row and the 11th word's own, by token and summed to words."""
    own = sentence.eleventh
    own_row = mean[own.start : own.stop].mean(dim=0)  # (T,)
    word_of = [i for i, w in enumerate(sentence.words) for _ in range(w.start, w.stop)]
    tokens = pd.DataFrame(
        {
            "position": range(len(sentence.tokens)),
            "text": tokenizer.decode_each(sentence.tokens),
            "word": word_of,
            "predicting_row": mean[sentence.predicting].tolist(),
            "own_row": own_row.tolist(),
        }
    )
    words = tokens.groupby("word", as_index=False)[["predicting_row", "own_row"]].sum()
    words.insert(1, "text", [w.text for w in sentence.words])
    eleventh = sentence.words.index(own)
    assert torch.allclose(
        torch.tensor(words["own_row"].to_numpy()).float(), by_word[eleventh], atol=1e-5
    )
    return tokens, words


def effects(values: Tensor, table: pd.DataFrame) -> pd.Series:
    """Return `values` as a column of `table`: what comes after the choice has no effect on it."""
    return pd.Series(values.tolist()).reindex(range(len(table)))


def alternatives(log_probs: Tensor, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return the most probable tokens at the place of the choice."""
    top = log_probs.topk(min(N_ALTERNATIVES, len(log_probs)))
    return pd.DataFrame(
        {
            "text": tokenizer.decode_each(top.indices.tolist()),
            "probability": top.values.exp().tolist(),
        }
    )


def measure(
    sentence: Sentence, mean: Tensor, words: pd.DataFrame, block: int, probability: float
) -> dict[str, object]:
    """Return the block's metrics: sums, spread, and agreement of attention with its removal."""
    seen = words.dropna(subset="knock_out")
    attention, effect = seen["predicting_row"].tolist(), seen["knock_out"].tolist()
    predicting = mean[sentence.predicting]
    return {
        "block": block,
        "chosen_probability": probability,
        "predicting_row_sum": float(predicting.double().sum()),
        "own_row_sum": float(words["own_row"].sum()),
        "all_attention_sum": float(mean.double().sum()),
        "query_rows": len(mean),
        "predicting_row_entropy": entropy(predicting),
        "largest_entropy": math.log(sentence.predicting + 1),
        "largest_word_attention": max(attention),
        "largest_word_knock_out": max(effect),
        "attention_effect_rank_correlation": rank_correlation(attention, effect),
    }


if __name__ == "__main__":
    run_stage(main)
