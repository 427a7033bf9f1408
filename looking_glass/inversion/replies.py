"""What the model says when it is fed real tokens in place of the learned vectors."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from looking_glass.gpt.model import GPT
from looking_glass.inversion.inverted import Inverted, best_restart
from looking_glass.inversion.judging import judge
from looking_glass.inversion.neighbours import nearest_tokens
from looking_glass.inversion.params import InvertParams
from looking_glass.inversion.readings import Reading
from looking_glass.inversion.search import drawn_tokens, search
from looking_glass.text.tokenizer import Tokenizer


def reply_table(
    model: GPT, tokenizer: Tokenizer, sentence: Inverted, reading: Reading, params: InvertParams
) -> pd.DataFrame:
    """Return what the model says when fed real tokens: nearest to the vectors, searched, and drawn.

    Those drawn at random say what chance gives.
    """
    target, parallel = torch.tensor(sentence.tokens, device=model.device), reading.parallel
    vectors = sentence.found[reading].vectors[best_restart(sentence.verdicts[reading])]
    nearest = nearest_tokens(model, vectors)[0][:, 0]
    generator = torch.Generator().manual_seed(params.seed + reading.prefix)
    found = search(model, target, nearest, params.search, parallel=parallel, generator=generator)
    drawn = drawn_tokens(tokenizer.ordinary_tokens(), len(nearest), generator)
    sources = {"nearest": nearest, "searched": found.tokens, "drawn": drawn.to(nearest)}
    rows: list[dict[str, Any]] = []
    for source, tokens in sources.items():
        reply = judge(model, target, model.embed(tokens)[None], parallel=parallel)
        rows.append(
            {
                "reading": reading.name,
                "source": source,
                **fed(tokenizer, tokens.tolist()),
                "said": tokenizer.decode(reply.said[0].tolist()),
                "correct": int(reply.correct.sum()),
                "loss": -float(reply.log_probs.mean()),
            }
        )
    return pd.DataFrame(rows)


def fed(tokenizer: Tokenizer, tokens: list[int]) -> dict[str, Any]:
    """Return the text of tokens, their ids, and whether that text is read as just these."""
    text = tokenizer.decode(tokens)
    ids = " ".join(map(str, tokens))
    return {"fed": text, "ids": ids, "read_as_such": int(tokenizer.encode(text) == tokens)}
