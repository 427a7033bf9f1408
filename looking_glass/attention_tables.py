"""What was found about one block's attention → the tables and metrics that the report reads."""

from __future__ import annotations

import math

import pandas as pd
import torch
from torch import Tensor

from looking_glass.agreement import finite, mean_distance
from looking_glass.attention import Sentence, entropy, rank_correlation
from looking_glass.causes import (
    Choices,
    direct,
    direct_constant,
    knock_outs,
    matched_tokens,
    parts_of,
    provenance,
)
from looking_glass.corpus import Corpus, Tokens
from looking_glass.model import GPT
from looking_glass.token_table import form_features
from looking_glass.tokenizer import Tokenizer

N_ALTERNATIVES = 10


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


def word_spans(sentence: Sentence) -> list[tuple[int, int]]:
    """Return every word that the predicting row can see, as its range of positions."""
    return [(w.start, w.stop) for w in sentence.words if w.stop <= sentence.predicting + 1]


def causal_table(tokens: pd.DataFrame, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return `tokens` with a column for each measure of what a source caused."""
    added = {
        name: effects(values[0].cpu(), tokens)
        for name, values in measured.items()
        if name != "attention"
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
                "knock_out": knock_outs(model, choices, [block], head=head)[0].tolist(),
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


def alternatives(log_probs: Tensor, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return the most probable tokens at the place of the choice."""
    top = log_probs.topk(min(N_ALTERNATIVES, len(log_probs)))
    return pd.DataFrame(
        {
            "text": tokenizer.decode_each(top.indices.tolist()),
            "probability": top.values.exp().tolist(),
        }
    )


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


def agreement_metrics(trust: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return each measure's correlation with attention, and its 95 % interval."""
    rows = trust.set_index("measure")[["correlation", "low", "high"]]
    return {
        str(name): {str(key): finite(float(value)) for key, value in row.items()}
        for name, row in rows.iterrows()
    }


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
