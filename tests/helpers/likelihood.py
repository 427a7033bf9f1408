"""Section `logprob` for tests: a short sentence, and two of them."""

from __future__ import annotations

from looking_glass.likelihood.params import LogprobParams


def params(**changes: object) -> LogprobParams:
    defaults: dict[str, object] = {
        "prompt": "\n\n",
        "seed": 1,
        "temperature": 1.0,
        "top_k": None,
        "top_p": None,
        "max_tokens": 12,
        "samples": 2,
        "compare": ["sampled"],
        "sentences": [],
        "stride": 8,
        "bins": 10,
    }
    return LogprobParams.model_validate({**defaults, **changes})
