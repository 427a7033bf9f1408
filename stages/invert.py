"""Learn input vectors that make the frozen model say the sentence, and check that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from looking_glass.inversion import tables as tables
from looking_glass.inversion import robustness
from looking_glass.pipeline.artifacts import (
    read_tensors,
    whole_directory,
    write_csv,
    write_json,
    write_tensors,
)
from looking_glass.inversion.ceiling import ceilings, loudest_vectors
from looking_glass.pipeline.compute import ComputeParams, prepare, side_by_side
from looking_glass.text.corpus import read_corpus
from looking_glass.pipeline.errors import run_stage
from looking_glass.inversion.optimiser import (
    PARALLEL,
    Inversion,
    InvertParams,
    ReadingParams,
    Verdict,
    check_fits,
    fits,
    initial_vectors,
    invert,
    judge,
)
from looking_glass.inversion.tables import Sentence, best_restart, name_of
from looking_glass.gpt.model import (
    GPT,
    MERGES_FILE,
    VOCAB_FILE,
    load_checkpoint,
    weights_sha256,
)
from looking_glass.pipeline.params import load_section
from looking_glass.inversion.search import search
from looking_glass.text.tokenizer import Tokenizer

MODEL, TOKENS, VECTORS = Path("data/model"), Path("data/tokens"), Path("data/inversion")
METRICS = Path("metrics/invert.json")
TABLES = Path("data/tables/invert")
CLOUD = 2000  # of the book's most frequent tokens: what learned vectors are compared with


def main() -> None:
    """Write the vectors of every sentence and reading, then judge them as they lie on disk."""
    params, compute = load_section(InvertParams, "invert"), load_section(ComputeParams, "compute")
    device = prepare(compute)
    model = load_checkpoint(MODEL, device)
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    wanted = targets_of(params, tokenizer)
    for name, tokens in wanted.items():
        check_fits(len(tokens), model.config.block_size, what=name)
    lengths = (PARALLEL, *params.prefix.lengths)

    before = weights_sha256(model)
    found = optimise_all(model, wanted, params, compute)
    assert weights_sha256(model) == before, "the frozen model was changed"
    with whole_directory(VECTORS) as directory:
        for name, readings in found.items():
            for k, inversion in readings.items():
                vectors = {"vectors": inversion.vectors.numpy()}
                write_tensors(directory / f"{name}_{name_of(k)}.safetensors", vectors)

    model = load_checkpoint(MODEL, device)
    sentences = side_by_side(
        lambda name: assess(
            model, tokenizer, name, wanted[name], found[name], saved_vectors(name, found[name])
        ),
        wanted,
        compute,
    )
    first = sentences[0]
    counts = np.bincount(read_corpus(TOKENS).train, minlength=model.config.vocab_size)
    cloud = torch.from_numpy(np.argsort(-counts, kind="stable")[:CLOUD].copy())
    usual = tables.usual_distance(model, cloud)
    replies = side_by_side(
        lambda k: speak_in_tokens(model, tokenizer, first, k, params), searched_in(first), compute
    )
    write_csv(TABLES / "frontier.csv", tables.frontier_table(sentences))
    write_csv(TABLES / "loss.csv", tables.loss_table(first.found, lengths))
    write_csv(TABLES / "steps.csv", tables.step_table(first, tokenizer.decode_each(first.tokens)))
    write_csv(TABLES / "appearance.csv", tables.appearance_table(first, tokenizer))
    write_csv(TABLES / "restarts.csv", tables.restart_table(first, tokenizer))
    rows = [tables.target_table(model, tokenizer, sentence, counts) for sentence in sentences]
    write_csv(TABLES / "tokens.csv", pd.concat(rows, ignore_index=True))
    write_csv(TABLES / "words.csv", tables.word_table(model, tokenizer, first, usual))
    write_csv(TABLES / "map.csv", tables.map_table(model, tokenizer, first, cloud))
    write_csv(TABLES / "replies.csv", pd.concat(replies, ignore_index=True))
    ceiling, reached = details_of(model, first, params)
    write_csv(TABLES / "ceiling.csv", pd.DataFrame([ceiling]))
    columns = pd.DataFrame([{"reading": name, **of} for name, of in reached.items()])
    write_csv(TABLES / "readings.csv", columns.astype({"first_exact_step": "Int64"}))
    write_json(METRICS, tables.overall(ceiling["lowest_possible_loss"], reached))


def targets_of(params: InvertParams, tokenizer: Tokenizer) -> dict[str, list[int]]:
    """Return the tokens of the sentence and of each control, by name."""
    texts = {f"control_{i}": text for i, text in enumerate(params.controls, start=1)}
    wanted = {"sentence": params.sentence, **texts}
    targets = {name: tokenizer.encode(text) for name, text in wanted.items()}
    if params.random_control:
        generator = torch.Generator().manual_seed(params.seed)
        n = (params.random_control,)
        drawn = torch.randint(tokenizer.vocab_size - 1, n, generator=generator)  # no <|endoftext|>
        targets["random"] = drawn.tolist()
    return targets


def optimise_all(
    model: GPT, wanted: dict[str, list[int]], params: InvertParams, compute: ComputeParams
) -> dict[str, dict[int, Inversion]]:
    """Optimise every reading of every sentence that fits in the block, several at a time."""
    lengths = (PARALLEL, *params.prefix.lengths)
    jobs: list[tuple[str, int]] = []
    for name, tokens in wanted.items():
        for k in lengths:
            if fits(len(tokens), k, model.config.block_size):
                jobs.append((name, k))
            else:
                print(f"{name}, {name_of(k)}: left out, its {len(tokens)} tokens overrun the block")
    total = sum(reading_of(k, params).steps for _, k in jobs)
    with tqdm(total=total, desc="inversion", unit="step", disable=None) as bar:

        def run(job: tuple[str, int]) -> Inversion:
            name, k = job
            found = optimise(model, wanted[name], k, params, on_step=bar.update)
            losses = found.losses.mean(dim=1)
            bar.write(f"{name}, {name_of(k)}: {losses[0]:.3f} → {losses[-1]:.3f} nats/token")
            return found

        results = side_by_side(run, jobs, compute)
    found: dict[str, dict[int, Inversion]] = {name: {} for name in wanted}
    for (name, k), result in zip(jobs, results, strict=True):
        found[name][k] = result
    return found


def optimise(
    model: GPT,
    tokens: list[int],
    k: int,
    params: InvertParams,
    *,
    on_step: Callable[[], object] = lambda: None,
) -> Inversion:
    """Optimise one reading from its own seed, so that none depends on which others run."""
    target, reading = torch.tensor(tokens, device=model.device), reading_of(k, params)
    generator = torch.Generator().manual_seed(params.seed + k)
    start = initial_vectors(
        model, reading.restarts, k or len(tokens), noise=params.init_noise, generator=generator
    )
    return invert(model, target, start, reading, parallel=k == PARALLEL, on_step=on_step)


def reading_of(k: int, params: InvertParams) -> ReadingParams:
    """Return how the reading with `k` vectors is optimised."""
    return params.parallel if k == PARALLEL else params.prefix


def assess(
    model: GPT,
    tokenizer: Tokenizer,
    name: str,
    tokens: list[int],
    found: Mapping[int, Inversion],
    vectors: Mapping[int, Tensor],
) -> Sentence:
    """Return a sentence with its ceilings, and the verdicts on the vectors of each reading."""
    target = torch.tensor(tokens, device=model.device)
    verdicts: dict[int, Verdict] = {
        k: judge(model, target, vectors[k], parallel=k == PARALLEL) for k in found
    }
    return Sentence(
        name=name,
        text=tokenizer.decode(tokens),
        tokens=tokens,
        ceilings=ceilings(model, target),
        found=found,
        verdicts=verdicts,
    )


def saved_vectors(name: str, lengths: Iterable[int]) -> dict[int, Tensor]:
    """Return one sentence's vectors in each reading as they lie on disk: (B, k, C)."""
    paths = {k: VECTORS / f"{name}_{name_of(k)}.safetensors" for k in lengths}
    return {k: torch.from_numpy(read_tensors(path)["vectors"]) for k, path in paths.items()}


def searched_in(sentence: Sentence) -> list[int]:
    """Return the readings for which real tokens are searched: parallel and the longest prefix."""
    return sorted({PARALLEL, max(sentence.found)})


def speak_in_tokens(
    model: GPT, tokenizer: Tokenizer, sentence: Sentence, k: int, params: InvertParams
) -> pd.DataFrame:
    """Return what the model says when fed real tokens: the vectors' nearest, and searched ones."""
    target, parallel = torch.tensor(sentence.tokens, device=model.device), k == PARALLEL
    vectors = sentence.found[k].vectors[best_restart(sentence.verdicts[k])]
    nearest = tables.nearest_tokens(model, vectors)[0][:, 0]
    generator = torch.Generator().manual_seed(params.seed + k)
    found = search(model, target, nearest, params.search, parallel=parallel, generator=generator)
    rows: list[dict[str, Any]] = []
    for source, tokens in (("nearest", nearest), ("searched", found.tokens)):
        reply = judge(model, target, model.embed(tokens)[None], parallel=parallel)
        rows.append(
            {
                "reading": name_of(k),
                "source": source,
                "tokens": tokenizer.decode(tokens.tolist()),
                "said": tokenizer.decode(reply.said[0].tolist()),
                "correct": int(reply.correct.sum()),
                "loss": -float(reply.log_probs.mean()),
            }
        )
    return pd.DataFrame(rows)


def details_of(
    model: GPT, sentence: Sentence, params: InvertParams
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the sentence's ceiling, and of each reading what it reached and how robustly."""
    target, limit = torch.tensor(sentence.tokens, device=model.device), sentence.ceilings
    loudest = judge(model, target, loudest_vectors(model, limit.points), parallel=True)
    readings = {}
    for k, verdict in sentence.verdicts.items():
        readings[name_of(k)] = tables.summary(sentence.found[k], verdict)
        if verdict.exact.any():
            readings[name_of(k)] |= robustness_of(model, target, sentence, k, params)
    ceiling = {
        "lowest_possible_loss": limit.lowest_loss,
        "largest_gap_between_bounds": float((limit.upper - limit.lower).max()),
        "loudest_vectors_loss": -float(loudest.log_probs.mean()),
        "loudest_vectors_exact": bool(loudest.exact[0]),
        "tokens_that_can_be_argmax": sum(can is True for can in limit.can_be_argmax),
    }
    return ceiling, readings


def robustness_of(
    model: GPT, target: Tensor, sentence: Sentence, k: int, params: InvertParams
) -> dict[str, float]:
    """Return what shares of the exact restarts survive other arithmetic, and the noise radius."""
    verdict, parallel = sentence.verdicts[k], k == PARALLEL
    saved = saved_vectors(sentence.name, [k])[k]
    exact = saved[verdict.exact]
    kept64 = robustness.survives_float64(model, exact, target, parallel=parallel)
    kept16 = robustness.survives_bfloat16(model, exact, target, parallel=parallel)
    losses = verdict.log_probs.mean(dim=1).masked_fill(~verdict.exact, -torch.inf)
    radius = robustness.noise_radius(
        model,
        saved[int(losses.argmax())],
        target,
        parallel=parallel,
        trials=params.noise_trials,
        generator=torch.Generator().manual_seed(params.seed),
    )
    return {
        "exact_in_float64": float(kept64.float().mean()),
        "exact_in_bfloat16": float(kept16.float().mean()),
        "noise_radius": radius,
    }


if __name__ == "__main__":
    run_stage(main)
