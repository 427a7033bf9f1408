"""A sentence's attention in one block → tables of its rows, by token and by word, and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.agreement import finite, mean_distance
from looking_glass.attention.patterns import Sentence, continue_prompt, entropy, trace, word_pattern
from looking_glass.attention.interventions import Choices, Span, choose, knock_outs
from looking_glass.gpt.model import GPT
from looking_glass.text.tokenizer import Tokenizer

SUM_TOLERANCE = 1e-5  # of a row's sum of attention, computed in float32


@dataclass(frozen=True, kw_only=True)
class View:
    """A sentence as the model saw it: every pattern, and the choice of its 11th word."""

    sentence: Sentence
    texts: list[str]  # of its tokens
    patterns: Tensor  # (L, nh, T, T), on the CPU
    choices: Choices  # of one context: all that the choice saw

    @property
    def words(self) -> list[str]:
        """Return the twelve words."""
        return [word.text for word in self.sentence.words]

    @property
    def own(self) -> range:
        """Return the positions of the 11th word."""
        return range(self.sentence.eleventh.start, self.sentence.eleventh.stop)

    @property
    def spans(self) -> list[Span]:
        """Return every word that the choice saw, as its range of positions."""
        end = self.sentence.predicting + 1
        return [(word.start, word.stop) for word in self.sentence.words if word.stop <= end]


def look(model: GPT, tokenizer: Tokenizer, prompt: str) -> View:
    """Return the model's view of `prompt` and the two words that it writes after it."""
    sentence = continue_prompt(model, tokenizer, prompt)
    tokens = torch.tensor([sentence.tokens], device=model.device)
    patterns = torch.stack([pattern[0].cpu() for pattern in trace(model, tokens).patterns])
    worst = float((patterns.double().sum(dim=-1) - 1).abs().max())
    assert worst <= SUM_TOLERANCE, f"a row of attention sums to 1, off by {worst}"
    return View(
        sentence=sentence,
        texts=tokenizer.decode_each(sentence.tokens),
        patterns=patterns,
        choices=choose(model, tokens[:, : sentence.predicting + 1]),
    )


def arrays(model: GPT, view: View, block: int) -> dict[str, Tensor]:
    """Return a block's patterns, and what all blocks show of every word, for who wants more.

    `pattern` (nh, T, T) and `words` (W, W), its mean over heads by word, are the block's. Of all
    blocks: `predicting` (L, nh, W, W), the attention to each word of the row that predicted each
    word; `own` (L, nh, W, W), that of each word's own rows; `effect` (L, W, W), the nats that each
    word's first token loses without the block's attention to each word before it: no number for
    the one source of the second word, since without it nothing would be left to attend to.
    """
    words, patterns = view.sentence.words, view.patterns
    W, (L, nh) = len(words), patterns.shape[:2]
    received = torch.stack(
        [patterns[..., w.start : w.stop].sum(dim=-1) for w in words], dim=-1
    )  # (L, nh, T, W)
    predicting, effect = torch.zeros(L, nh, W, W), torch.zeros(L, W, W)
    tokens = torch.tensor([view.sentence.tokens], device=model.device)
    for index, word in enumerate(words[1:], start=1):
        predicting[:, :, index] = received[:, :, word.start - 1]
        told = choose(model, tokens[:, : word.start], tokens[:, word.start])
        before = [(w.start, w.stop) for w in words[:index]]
        for layer in range(L):
            effect[layer, index, :index] = knock_outs(model, told, [layer], sources=before)[0]
    own = torch.stack([received[:, :, w.start : w.stop].mean(dim=2) for w in words], dim=2)
    return {
        "pattern": patterns[block],
        "words": word_pattern(patterns[block].mean(dim=0), words),
        "predicting": predicting,
        "own": own,
        "effect": effect,
    }


def token_table(view: View, block: int, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return a row per token: its word, its share of both rows, and what it caused."""
    mean = view.patterns[block].mean(dim=0)  # (T, T)
    word_of = [i for i, w in enumerate(view.sentence.words) for _ in range(w.start, w.stop)]
    table = pd.DataFrame(
        {
            "position": range(len(view.texts)),
            "text": view.texts,
            "word": word_of,
            "predicting_row": mean[view.sentence.predicting].tolist(),
            "own_row": mean[view.own].mean(dim=0).tolist(),
        }
    )
    return with_causes(table, measured)


def word_table(view: View, tokens: pd.DataFrame, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return a row per word: its share of both rows, and what all of its tokens caused."""
    table = tokens.groupby("word", as_index=False)[["predicting_row", "own_row"]].sum()
    table.insert(1, "text", view.words)
    return with_causes(table, measured)


def with_causes(table: pd.DataFrame, measured: dict[str, Tensor]) -> pd.DataFrame:
    """Return `table` with a column per measure: what comes after the choice has no effect on it."""
    names = [name for name in measured if name != "attention"]
    columns = {name: pd.Series(measured[name][0].tolist()) for name in names}
    return table.assign(**{name: c.reindex(range(len(table))) for name, c in columns.items()})


def head_table(view: View, block: int, knocked: list[Tensor], added: Tensor) -> pd.DataFrame:
    """Return a row per head and token: both rows, knock-out, and what it adds to the logit.

    `knocked` holds (1, S) nats a head, `added` (nh, S) logits.
    """
    tables = []
    for head, pattern in enumerate(view.patterns[block]):  # (T, T)
        tokens = pd.DataFrame(
            {
                "head": head + 1,
                "position": range(len(view.texts)),
                "text": view.texts,
                "predicting_row": pattern[view.sentence.predicting].tolist(),
                "own_row": pattern[view.own].mean(dim=0).tolist(),
            }
        )
        tables.append(
            with_causes(tokens, {"knock_out": knocked[head], "direct": added[head : head + 1]})
        )
    return pd.concat(tables)


def head_word_table(view: View, heads: pd.DataFrame, knocked: list[Tensor]) -> pd.DataFrame:
    """Return a row per head and word: both rows and knock-out, from the rows by token."""
    word_of = [i for i, w in enumerate(view.sentence.words) for _ in range(w.start, w.stop)]
    rows = heads.assign(word=heads["position"].map(dict(enumerate(word_of))))
    summed = rows.groupby(["head", "word"], as_index=False)[["predicting_row", "own_row"]].sum()
    summed.insert(2, "text", summed["word"].map(dict(enumerate(view.words))))
    effects = pd.concat([pd.Series(k[0].tolist()).reindex(range(len(view.words))) for k in knocked])
    return summed.assign(knock_out=effects.tolist())


def row_table(view: View, block: int) -> pd.DataFrame:
    """Return the numbers of both rows: of the mean over heads, and of each head alone.

    The 11th word's own row is that of its tokens on average. `attention_sum` is over the whole
    pattern: one for each of the `query_rows`.
    """
    pattern = view.patterns[block]  # (nh, T, T)
    kinds = {"predicting": [view.sentence.predicting], "own": list(view.own)}
    sums = {"query_rows": pattern.shape[-1], "sum_tolerance": SUM_TOLERANCE}
    rows: list[dict[str, object]] = []
    for kind, positions in kinds.items():
        for head, one in [("mean", pattern.mean(dim=0)), *enumerate(pattern, start=1)]:
            found = pd.DataFrame([row_numbers(one[position], position) for position in positions])
            numbers = {"attention_sum": float(one.double().sum()), **sums}
            means = {str(name): float(value) for name, value in found.mean().items()}
            rows.append({"row": kind, "head": str(head), **means, **numbers})
    return pd.DataFrame(rows)


def row_numbers(row: Tensor, position: int) -> dict[str, float]:
    """Return the sum, spread and places of a row (T,), that of the token at `position`."""
    return {
        "sum": float(row.double().sum()),
        "entropy": entropy(row),
        "largest_entropy": math.log(position + 1),
        "mean_distance": mean_distance(row[: position + 1]),
        "on_itself": float(row[position]),
        "on_previous": float(row[position - 1]) if position else 0.0,
        "on_first": float(row[0]),
    }


def block_table(model: GPT, view: View) -> pd.DataFrame:
    """Return a row per block and word: attention when choosing the 11th, and knock-out there."""
    tables = []
    for block in range(model.config.n_layer):
        row = view.patterns[block].mean(dim=0)[view.sentence.predicting]
        knocked = knock_outs(model, view.choices, [block], sources=view.spans)[0]
        tables.append(
            pd.DataFrame(
                {
                    "block": block + 1,
                    "word": range(len(view.spans)),
                    "text": view.words[: len(view.spans)],
                    "predicting_row": [float(row[start:stop].sum()) for start, stop in view.spans],
                    "knock_out": knocked.tolist(),
                }
            )
        )
    return pd.concat(tables)


def metrics(
    rows: pd.DataFrame, words: pd.DataFrame, trust: pd.DataFrame, n_contexts: int
) -> dict[str, object]:
    """Return the block's numbers of the first prompt, and its agreement over many contexts."""
    means: Any = rows[rows["head"] == "mean"].set_index("row")
    names = ("entropy", "mean_distance", "on_itself", "on_previous", "on_first")
    return {
        "contexts": n_contexts,
        "predicting_row_sum": float(means.loc["predicting", "sum"]),
        "own_row_sum": float(means.loc["own", "sum"]),
        "attention_sum": float(means.loc["predicting", "attention_sum"]),
        "query_rows": int(means.loc["predicting", "query_rows"]),
        **{name: float(means.loc["predicting", name]) for name in names},
        "largest_knock_out": float(words["knock_out"].max()),
        "rank_correlation": {
            str(row["measure"]): finite(float(row["correlation"])) for _, row in trust.iterrows()
        },
    }


def summary(name: str, details: dict[str, Any]) -> dict[str, float | None]:
    """Return the few numbers of a block by which runs are compared, named for it."""
    found = {
        "entropy": details["entropy"],
        "mean_distance": details["mean_distance"],
        "on_first_token": details["on_first"],
        "largest_knock_out": details["largest_knock_out"],
        "correlation_with_knock_out": details["rank_correlation"]["knock_out"],
        "val_loss_without_attention": details["val_loss_without"]["attention"],
    }
    return {f"{name}_block_{key}": value for key, value in found.items()}
