"""Show what a block attended to when the model chose the 11th word; test whether it mattered."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from looking_glass.agreement import (
    agreement_table,
    finite,
    mean_distance,
    sample_contexts,
    what_the_pattern_keeps,
)
from looking_glass.agreement import measure as causes_of
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
from looking_glass.causes import (
    Choices,
    choose,
    direct,
    direct_constant,
    knock_outs,
    loss_without,
    matched_tokens,
    parts_of,
    provenance,
)
from looking_glass.compute import ComputeParams, prepare, side_by_side
from looking_glass.corpus import Corpus, Tokens, read_corpus
from looking_glass.errors import InputError, run_stage
from looking_glass.model import GPT, MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.params import load_section
from looking_glass.token_table import form_features
from looking_glass.tokenizer import Tokenizer

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
SHARES = 8  # of the contexts, worked on side by side
N_ALTERNATIVES = 10


def main() -> None:
    """Write the block's full pattern, its two rows by token and by word, and their knock-outs."""
    name = block_name(sys.argv[1:])
    params, compute = (
        load_section(AttentionParams, "attention"),
        load_section(ComputeParams, "compute"),
    )
    model = load_checkpoint(MODEL, prepare(compute))
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

    corpus = read_corpus(TOKENS)
    matched = match_tokens(corpus, tokenizer).to(model.device)
    seen = torch.tensor([sentence.tokens[: sentence.predicting + 1]], device=model.device)
    choices = choose(model, seen)
    causes = causal_table(tokens, measured=causes_of(model, choices, block, matched))
    generator = torch.Generator().manual_seed(params.seed)
    drawn = sample_contexts(corpus.val, params.contexts, seen.shape[1], generator)
    many = choose(model, drawn.to(model.device))
    parts = [replace_rows(many, rows) for rows in torch.arange(len(drawn)).chunk(SHARES)]
    measured = side_by_side(lambda c: causes_of(model, c, block, matched), parts, compute)
    joined = {name: torch.cat([share[name] for share in measured]) for name in measured[0]}
    trust = agreement_table(joined, generator)
    kept = what_the_pattern_keeps(model, many, block, generator)

    with whole_directory(Path("data/attention") / name) as directory:
        arrays = {"pattern": heads.numpy(), "words": by_word.numpy()}
        write_tensors(directory / "pattern.safetensors", arrays)
    reports = Path("reports/attention") / name
    write_csv(reports / "tokens.csv", causes)
    write_csv(reports / "heads.csv", head_table(model, choices, block, tokenizer))
    write_csv(reports / "parts.csv", part_table(model, choices))
    write_csv(reports / "agreement.csv", trust)
    write_csv(reports / "provenance.csv", provenance_table(sentence, corpus.train, tokenizer))
    write_csv(reports / "words.csv", words)
    write_csv(reports / "alternatives.csv", alternatives(log_probs, tokenizer))
    write_json(
        Path("metrics") / f"attention_{name}.json",
        {
            **measure(sentence, mean, words, block, float(log_probs[sentence.chosen].exp())),
            "contexts": params.contexts,
            "agreement": agreement_metrics(trust),
            "pattern_kept": kept,
            "val_loss_without": {
                "attention": loss_without(model, corpus.val, block, "attn"),
                "mlp": loss_without(model, corpus.val, block, "mlp"),
            },
        },
    )


def block_name(arguments: list[str]) -> BlockName:
    """Return the block asked for on the command line."""
    match arguments:
        case ["first"]:
            return "first"
        case ["last"]:
            return "last"
    raise InputError(f"stages.attention: one argument, first or last, is required, got {arguments}")


def match_tokens(corpus: Corpus, tokenizer: Tokenizer) -> Tensor:
    """Return for each token the one that replaces it: of its kind, and about as frequent: (V,).

    Only tokens of the training text take part: what the model never met is no fair replacement.
    """
    counts = torch.bincount(
        torch.from_numpy(corpus.train.astype("int64")), minlength=corpus.vocab_size
    )
    pieces = tokenizer.token_bytes()
    kinds = [form_features(rank, content)[0] for rank, content in enumerate(pieces)]
    matched, seen = torch.arange(corpus.vocab_size), counts.nonzero()[:, 0]
    matched[seen] = seen[matched_tokens(counts[seen], [kinds[token] for token in seen.tolist()])]
    return matched


def replace_rows(choices: Choices, rows: Tensor) -> Choices:
    """Return the choices of some of the contexts."""
    return Choices(
        contexts=choices.contexts[rows],
        chosen=choices.chosen[rows],
        second=choices.second[rows],
        log_probs=choices.log_probs[rows],
        margins=choices.margins[rows],
        patterns=[pattern[rows] for pattern in choices.patterns],
    )


def causal_table(tokens: pd.DataFrame, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return `tokens` with a column for each measure of what a source caused."""
    added = {
        name: effects(values[0].cpu(), tokens)
        for name, values in measured.items()
        if name not in ("attention", "knock_out")
    }
    return tokens.assign(**added)


def head_table(model: GPT, choices: Choices, block: int, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return a row per head and source: attention, knock-out, and what it adds to the logit."""
    parts = parts_of(model, choices.contexts[0])
    added = direct(model, parts, parts.moved[block], int(choices.chosen[0]))  # (nh, T)
    texts = tokenizer.decode_each(choices.contexts[0].tolist())
    return pd.concat(
        pd.DataFrame(
            {
                "head": head + 1,
                "position": range(len(texts)),
                "text": texts,
                "attention": choices.patterns[block][0, head].tolist(),
                "knock_out": knock_outs(model, choices, [block], head)[0].tolist(),
                "direct": added[head].tolist(),
            }
        )
        for head in range(model.config.n_head)
    )


def part_table(model: GPT, choices: Choices) -> pd.DataFrame:
    """Return a row per part of the chosen token's logit, and of its margin over the next best.

    The rows add up to the logit and to the margin; what rounding leaves is the last one.
    """
    parts = parts_of(model, choices.contexts[0])
    pair = [int(choices.chosen[0]), int(choices.second[0])]
    logits = model(choices.contexts)[0, -1]
    columns = []
    for token in pair:
        known = [
            *direct(model, parts, parts.values, token).tolist(),
            direct_constant(model, token),
        ]
        columns.append([*known, float(logits[token]) - sum(known)])
    chosen, second = columns
    return pd.DataFrame(
        {
            "part": [*parts.names, "last LayerNorm's bias", "remainder"],
            "logit": chosen,
            "margin": [a - b for a, b in zip(chosen, second, strict=True)],
        }
    )


def provenance_table(sentence: Sentence, text: Tokens, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return what follows the longest end of the context that the training text holds."""
    context = sentence.tokens[: sentence.predicting + 1]
    found = provenance(context, text)
    rows = list(found.counts.items())[:N_ALTERNATIVES] if found.length else []
    return pd.DataFrame(
        {
            "context": tokenizer.decode(context[len(context) - found.length :]),
            "context_tokens": found.length,
            "next": tokenizer.decode_each([token for token, _ in rows]),
            "count": [count for _, count in rows],
            "is_the_choice": [int(token == sentence.chosen) for token, _ in rows],
        }
    )


def agreement_metrics(trust: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return each measure's correlation with attention, and its 95 % interval."""
    rows = trust.set_index("measure")[["correlation", "low", "high"]]
    return {
        str(name): {str(key): finite(float(value)) for key, value in row.items()}
        for name, row in rows.iterrows()
    }


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
    last = sentence.predicting
    predicting = mean[last]
    return {
        "block": block,
        "chosen_probability": probability,
        "predicting_row_sum": float(predicting.double().sum()),
        "own_row_sum": float(words["own_row"].sum()),
        "all_attention_sum": float(mean.double().sum()),
        "query_rows": len(mean),
        "predicting_row_entropy": entropy(predicting),
        "largest_entropy": math.log(last + 1),
        "mean_distance": mean_distance(predicting[: last + 1]),
        "attention_to_itself": float(predicting[last]),
        "attention_to_previous": float(predicting[last - 1]),
        "attention_to_first": float(predicting[0]),
        "largest_word_attention": max(attention),
        "largest_word_knock_out": max(effect),
        "attention_effect_rank_correlation": rank_correlation(attention, effect),
    }


if __name__ == "__main__":
    run_stage(main)
