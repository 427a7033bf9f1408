"""What inverting found → the tables that the report and `dvc plots` read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.inversion.inverted import Inverted, best_restart
from looking_glass.inversion.judging import Verdict, judge
from looking_glass.inversion.neighbours import nearest_rows, nearest_tokens
from looking_glass.inversion.optimiser import Inversion
from looking_glass.inversion.readings import PARALLEL, Reading
from looking_glass.text.tokenizer import Tokenizer

YES_NO = {True: "yes", False: "no", None: "not decided"}


def summary(inversion: Inversion, verdict: Verdict) -> dict[str, Any]:
    """Return one reading's metrics, over all its restarts.

    `drawn_loss` is that of the vectors before the first step: what chance gives.
    """
    reached = inversion.first_exact_step[inversion.first_exact_step >= 0]
    return {
        "drawn_loss": float(inversion.losses[0].mean()),
        "exact_rate": float(verdict.exact.float().mean()),
        "token_accuracy": float(verdict.correct.float().mean()),
        "loss": -float(verdict.log_probs.mean()),
        "best_loss": -float(verdict.log_probs.mean(dim=1).max()),
        "smallest_probability": float(verdict.log_probs.min().exp()),
        "smallest_gap": float(verdict.gaps.min()),
        "first_exact_step": int(reached.min()) if len(reached) else None,
    }


def overall(lowest: float, reached: Mapping[Reading, Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the few numbers by which runs are compared: the parallel reading, the prefixes.

    The fewest vectors are those of the shortest prefix after which every restart is exact.
    """
    rates = {reading: found["exact_rate"] for reading, found in reached.items()}
    prefixes = [reading for reading in reached if not reading.parallel]
    numbers = {
        "inversion_lowest_possible_loss": lowest,
        "inversion_parallel_loss": reached[PARALLEL]["loss"],
        "inversion_parallel_exact_rate": rates[PARALLEL],
    }
    if prefixes:
        exact = [reading.prefix for reading in prefixes if rates[reading] == 1.0]
        numbers["inversion_prefix_best_exact_rate"] = max(rates[one] for one in prefixes)
        numbers["inversion_prefix_fewest_vectors"] = min(exact, default=None)
    return numbers


def reading_table(reached: Mapping[Reading, Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row per reading of the sentence: what it reached, and how robustly."""
    rows = [{"reading": reading.name, **found} for reading, found in reached.items()]
    return pd.DataFrame(rows).astype({"first_exact_step": "Int64"})


def frontier_table(sentences: Sequence[Inverted]) -> pd.DataFrame:
    """Return a row per sentence and reading: its metrics beside the ceiling. Losses in nats/token.

    `lowest_possible_loss` is what no input can go below, by the proved upper bounds.
    """
    return pd.DataFrame(
        {
            "sentence": sentence.name,
            "text": sentence.text,
            "reading": reading.name,
            "vectors": reading.n_vectors(len(sentence.tokens)),
            "restarts": len(verdict.exact),
            **summary(sentence.found[reading], verdict),
            "lowest_possible_loss": sentence.ceilings.lowest_loss,
        }
        for sentence in sentences
        for reading, verdict in sentence.verdicts.items()
    ).astype({"first_exact_step": "Int64"})


def loss_table(found: Mapping[Reading, Inversion], readings: Sequence[Reading]) -> pd.DataFrame:
    """Return a row per check: each reading's mean loss over its restarts, in nats/token.

    A reading that did not fit in the block has an empty column.
    """
    curves = {
        reading.name: pd.Series(f.losses.mean(dim=1).numpy(), index=f.steps.tolist())
        for reading, f in found.items()
    }
    table = pd.DataFrame(curves).reindex(columns=[reading.name for reading in readings])
    return table.rename_axis("step").reset_index()


def step_table(sentence: Inverted, texts: Sequence[str]) -> pd.DataFrame:
    """Return a row per check and target token of the parallel reading: its mean log-probability."""
    found = sentence.found[PARALLEL]
    means = found.log_probs.mean(dim=1)  # (checks, n)
    checks, n = means.shape
    return pd.DataFrame(
        {
            "step": np.repeat(found.steps.numpy(), n),
            "position": np.tile(np.arange(n), checks),
            "text": list(texts) * checks,
            "log_prob": means.flatten().numpy(),
        }
    )


def appearance_table(sentence: Inverted, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return a row per reading, check and position of its best restart: what the model said then.

    After a prefix that is what it said next after the sentence's own words so far.
    """
    tables = []
    for reading, found in sentence.found.items():
        best = best_restart(sentence.verdicts[reading])
        said = found.first[:, best]  # (checks, n)
        checks, n = said.shape
        tables.append(
            pd.DataFrame(
                {
                    "reading": reading.name,
                    "step": np.repeat(found.steps.numpy(), n),
                    "position": np.tile(np.arange(n), checks),
                    "said": [one for row in said.tolist() for one in tokenizer.decode_each(row)],
                    "right": found.largest[:, best].flatten().int().numpy(),
                    "log_prob": found.log_probs[:, best].flatten().numpy(),
                }
            )
        )
    return pd.concat(tables)


def restart_table(sentence: Inverted, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return a row per reading and restart: what the model said, and how surely."""
    return pd.DataFrame(
        {
            "reading": reading.name,
            "restart": restart,
            "exact": int(verdict.exact[restart]),
            "loss": -float(verdict.log_probs[restart].mean()),
            "smallest_gap": float(verdict.gaps[restart].min()),
            "first_exact_step": int(sentence.found[reading].first_exact_step[restart]),
            "said": tokenizer.decode(verdict.said[restart].tolist()),
        }
        for reading, verdict in sentence.verdicts.items()
        for restart in range(len(verdict.exact))
    )


def target_table(
    model: GPT,
    tokenizer: Tokenizer,
    sentence: Inverted,
    counts: np.ndarray[Any, Any],
    usual_cosine: float,
) -> pd.DataFrame:
    """Return a row per target token: what could be reached, what was, and what stands in the way.

    `counts` (V,) are the occurrences of each token in the training text; `usual_cosine` is what
    `nearest_row_cosine` is for a token in the middle of the vocabulary. Probabilities are those of
    each reading's best restart; `unaided` is after the sentence's own true tokens, of which the
    first has none; a step is when the token was first the argmax in that restart, or -1.
    """
    target, ceilings = torch.tensor(sentence.tokens, device=model.device), sentence.ceilings
    nearest, cosine = nearest_rows(model, target)
    n = len(sentence.tokens)
    unaided, unaided_rank = [math.nan] * n, [pd.NA] * n
    if n > 1:
        # The first token's own embedding, as a prefix of one vector: the text runs on from it.
        own = judge(model, target[1:], model.embed(target[:1])[None], parallel=False)
        unaided[1:], unaided_rank[1:] = own.log_probs[0].exp().tolist(), own.ranks[0].tolist()
    table = pd.DataFrame(
        {
            "sentence": sentence.name,
            "position": range(n),
            "token": sentence.tokens,
            "text": tokenizer.decode_each(sentence.tokens),
            "count": counts[sentence.tokens],
            "output_row_norm": model.lm_head.weight[target].norm(dim=1).tolist(),
            "nearest_row": tokenizer.decode_alone(nearest.tolist()),
            "nearest_row_cosine": cosine.tolist(),
            "usual_row_cosine": usual_cosine,
            "ceiling": ceilings.upper.exp().tolist(),
            "ceiling_lower": ceilings.lower.tolist(),
            "ceiling_upper": ceilings.upper.tolist(),
            "can_be_argmax": [YES_NO[can] for can in ceilings.can_be_argmax],
            "unaided": unaided,
            "unaided_rank": pd.array(unaided_rank, dtype="Int64"),
        }
    )
    for reading, verdict in sentence.verdicts.items():
        best = best_restart(verdict)
        table[reading.name] = verdict.log_probs[best].exp().tolist()
        table[f"{reading.name}_step"] = sentence.found[reading].first_right_step[best].tolist()
    return table


def word_table(model: GPT, tokenizer: Tokenizer, sentence: Inverted, scale: float) -> pd.DataFrame:
    """Return a row per vector of each reading's best restart: the nearest tokens, and how near.

    `distance` is in units of `scale`, the median distance between neighbours among the embeddings;
    `drawn_distance` and `drawn_nearest` are of the vector before the first step.
    """
    rows: list[dict[str, Any]] = []
    for reading, verdict in sentence.verdicts.items():
        best = best_restart(verdict)
        vectors = sentence.found[reading].vectors[best]
        ids, distances = nearest_tokens(model, vectors)
        before, far = nearest_tokens(model, sentence.found[reading].drawn[best])
        drawn = tokenizer.decode_alone(before[:, 0].tolist())
        for position, near in enumerate(ids):
            named = dict(enumerate(tokenizer.decode_alone(near.tolist()), start=1))
            rows.append(
                {
                    "reading": reading.name,
                    "vector": position,
                    "norm": float(vectors[position].norm()),
                    "distance": float(distances[position, 0]) / scale,
                    "drawn_distance": float(far[position, 0]) / scale,
                    "drawn_nearest": drawn[position],
                    **{f"nearest_{place}": text for place, text in named.items()},
                }
            )
    return pd.DataFrame(rows)


@torch.no_grad()
def map_table(model: GPT, tokenizer: Tokenizer, sentence: Inverted, cloud: Tensor) -> pd.DataFrame:
    """Return the plane on which the embeddings of tokens `cloud` spread most, and who lies where.

    A row per token of the cloud, target token and learned vector (best restart): kind, text, x, y.
    The principal components are the cloud's alone; x and y are in units of its embeddings.
    """
    embeddings = model.embed(cloud.to(model.device)).cpu().double()
    mean = embeddings.mean(dim=0)
    axes = torch.linalg.svd(embeddings - mean, full_matrices=False).Vh[:2]  # (2, C)
    # The sign of a principal component is free: fix it.
    axes = axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
    target = model.embed(torch.tensor(sentence.tokens, device=model.device)).cpu().double()
    parts = [("embedding", embeddings, [""] * len(cloud))]
    parts.append(("target", target, tokenizer.decode_each(sentence.tokens)))
    for reading, verdict in sentence.verdicts.items():
        vectors = sentence.found[reading].vectors[best_restart(verdict)].double()
        texts = tokenizer.decode_each(sentence.tokens) if reading.parallel else [""] * len(vectors)
        parts.append((reading.name, vectors, texts))
    frames = []
    for kind, points, texts in parts:
        x, y = ((points - mean) @ axes.t()).t().numpy()
        frames.append(pd.DataFrame({"kind": kind, "text": texts, "x": x, "y": y}))
    return pd.concat(frames, ignore_index=True)
