"""The memory that inverting will need, told from its parameters before it is taken.

B restarts of one reading are learned side by side; n tokens of the sentence are predicted from
m ≥ n positions, over V tokens. As many readings or sentences are worked on at a time as
`compute.threads` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.memory import (
    embedding_bytes,
    following_bytes,
    matrix_bytes,
    passing_bytes,
    weight_bytes,
)
from looking_glass.gpt.siblings import ROWS
from looking_glass.inversion.neighbours import CLOUD, SAMPLE
from looking_glass.inversion.params import InvertParams
from looking_glass.inversion.readings import PARALLEL, Reading, readings_of
from looking_glass.inversion.shortlist import MOST_TOKENS
from looking_glass.pipeline.memory import COMPILER, FLOAT, PYTORCH, Parts, kept_when_freed

# The keys that set each part.
_RESTARTS = (
    "invert.parallel.restarts",
    "invert.prefix.restarts",
    "invert.prefix.starts",
    "invert.prefix.lengths",
)
KEYS = {
    "the model": ("model.n_embd", "model.n_layer"),
    "the model in float64": ("model.n_embd", "model.n_layer"),
    "the output layer in float64": ("model.n_embd", "compute.threads"),
    "activations": (*_RESTARTS, "compute.threads", "model.n_embd"),
    "logits": (*_RESTARTS, "compute.threads"),
    "slopes": ("model.n_embd", "model.n_layer"),
    "exchanges": ("invert.search.candidates", "compute.threads"),
    "output layer": ("model.n_embd",),
    "trials": ("invert.noise_trials", "compute.threads"),
    "distances": ("model.n_embd",),
}


def moments(
    config: GPTConfig, wanted: Mapping[str, Sequence[int]], params: InvertParams, threads: int
) -> dict[str, Parts]:
    """Return what is held at each moment at which most is, beside the model itself.

    `wanted` are the tokens of each sentence by name.
    """
    V, C = config.vocab_size, config.n_embd
    weights, table, double = weight_bytes(config), embedding_bytes(config), 2
    jobs = [
        (_restarts(reading, params), reading, len(tokens))
        for tokens in wanted.values()
        for reading in readings_of(params.prefix.lengths)
        if reading.fits(len(tokens), config.block_size)
    ]
    n = len(wanted["sentence"])  # of which the tables tell most
    own = [(B, reading) for B, reading, _ in jobs[: len(params.prefix.lengths) + 1]]
    longest = max(_positions(reading, n) for _, reading in own)
    base = {"PyTorch": PYTORCH + COMPILER}
    # What the threads have freed of the ceilings and of judging: twice the rows, thrice the logits.
    logits = (kept_when_freed(FLOAT * B * n * V) for B, _, n in jobs)
    after = base | {
        "logits": 3 * _most(threads, logits) + 2 * threads * kept_when_freed(table),
    }
    # The states that aiming is done for, one after the other, each linearised in C rows.
    slopes = double * following_bytes(config, C * n)
    return {
        "learning the vectors": base
        | {
            "activations": _most(threads, (_learning(config, *job) for job in jobs)),
            "logits": _most(threads, (FLOAT * B * n * V for B, _, n in jobs)),
        },
        # Beside the one before it: as it lies on disk, its matrices turned, and as it is used.
        "reading the model again": base | {"the model": 2 * weights + matrix_bytes(config)},
        "judging them": base
        | {"logits": _most(threads, (3 * FLOAT * B * n * V for B, _, n in jobs))},
        # The output layer in float32, in float64, and twice on the way there.
        "the ceilings": base
        | {
            "the output layer in float64": min(threads, len(wanted)) * (1 + 3 * double) * table,
            "logits": _most(threads, (2 * double * FLOAT * len(t) * V for t in wanted.values())),
        },
        "the search for real tokens": base
        | {
            "exchanges": min(threads, 2) * _exchanging(params, n, longest, V),
            "output layer": table,
            "activations": min(threads, 2)
            * passing_bytes(config, params.search.candidates * longest),
        },
        "the tables": after | {"distances": FLOAT * max(CLOUD, 2 * SAMPLE) * V + 2 * table},
        "aiming": after | {"the model in float64": double * weights + table, "slopes": slopes},
        "disturbing them": after
        | {
            "trials": min(threads, len(own))
            * (
                FLOAT * params.noise_trials * n * V
                + passing_bytes(config, params.noise_trials * longest)
            ),
        },
    }


def _restarts(reading: Reading, params: InvertParams) -> int:
    """Return how many are learned side by side at first: every start of each restart."""
    if reading.parallel:
        return params.parallel.restarts
    return params.prefix.restarts * params.prefix.starts


def _positions(reading: Reading, n: int) -> int:
    return n if reading == PARALLEL else reading.prefix + n - 1


def _learning(config: GPTConfig, B: int, reading: Reading, n: int) -> int:
    """Return what a step of one reading keeps.

    The activations; over the shortlist the logits, these with the rest, their softmax and the two
    gradients; and the shortlist's rows.
    """
    over_shortlist = 5 * B * n * min(MOST_TOKENS, config.vocab_size)
    activations = following_bytes(config, B * _positions(reading, n))
    return activations + FLOAT * (over_shortlist + MOST_TOKENS * config.n_embd)


def _exchanging(params: InvertParams, n: int, longest: int, V: int) -> int:
    """Return what a step of the search holds.

    A part of the logits of all exchanges; of one the logits, their probabilities and their
    gradient; and what each token would change at each place, both ways round.
    """
    tried = params.search.candidates * n * min(ROWS, V)
    return FLOAT * (tried + (3 * n + 2 * longest) * V)


def _most(threads: int, sizes: Iterable[int]) -> int:
    """Return the sum of the largest sizes that may be there at a time."""
    return sum(sorted(sizes, reverse=True)[:threads])
