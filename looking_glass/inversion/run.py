"""What the stage `invert` does, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from looking_glass.gpt.model import GPT
from looking_glass.inversion import memory, robustness, tables
from looking_glass.inversion.aiming import aim
from looking_glass.inversion.ceiling import ceilings
from looking_glass.inversion.inverted import Inverted
from looking_glass.inversion.judging import judge
from looking_glass.inversion.neighbours import CLOUD, neighbour_distance, usual_row_cosine
from looking_glass.inversion.optimiser import Inversion, initial_vectors, invert
from looking_glass.inversion.params import InvertParams, ReadingParams
from looking_glass.inversion.readings import PARALLEL, Reading, check_fits, readings_of
from looking_glass.inversion.replies import reply_table
from looking_glass.inversion.search import drawn_tokens
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.memory import require
from looking_glass.text.corpus import Tokens
from looking_glass.text.counting import count_tokens
from looking_glass.text.tokenizer import Tokenizer

Found = dict[str, dict[Reading, Inversion]]  # by the sentence's name


def targets_of(params: InvertParams, tokenizer: Tokenizer, block_size: int) -> dict[str, list[int]]:
    """Return the tokens of the sentence and of each control, by name.

    Raises `InputError` when one has none, or too many for the block.
    """
    texts = {f"control_{i}": text for i, text in enumerate(params.controls, start=1)}
    wanted = {"sentence": params.sentence, **texts}
    targets = {name: tokenizer.encode(text) for name, text in wanted.items()}
    if params.random_control:
        generator = torch.Generator().manual_seed(params.seed)
        targets["random"] = drawn_tokens(
            tokenizer.ordinary_tokens(), params.random_control, generator
        ).tolist()
    for name, tokens in targets.items():
        check_fits(len(tokens), block_size, what=name)
    return targets


def optimise_all(
    model: GPT, wanted: Mapping[str, Sequence[int]], params: InvertParams, compute: ComputeParams
) -> Found:
    """Optimise every reading of every sentence that fits in the block, several at a time.

    Raises `InputError` when memory will not suffice, for this or for what comes after.
    """
    needs = memory.moments(model.config, wanted, params, compute.threads)
    require(needs, model.device, stage="invert", keys=memory.KEYS)
    jobs: list[tuple[str, Reading]] = []
    for name, tokens in wanted.items():
        for reading in readings_of(params.prefix.lengths):
            if reading.fits(len(tokens), model.config.block_size):
                jobs.append((name, reading))
            else:
                n = len(tokens)
                print(f"{name}, {reading.name}: left out, its {n} tokens overrun the block")
    total = sum(settings_of(reading, params).steps for _, reading in jobs)
    with tqdm(total=total, desc="inversion", unit="step", disable=None) as bar:

        def run(job: tuple[str, Reading]) -> Inversion:
            name, reading = job
            found = optimise(model, wanted[name], reading, params, on_step=bar.update)
            losses = found.losses.mean(dim=1)
            bar.write(f"{name}, {reading.name}: {losses[0]:.3f} → {losses[-1]:.3f} nats/token")
            return found

        results = side_by_side(run, jobs, compute)
    found: Found = {name: {} for name in wanted}
    for (name, reading), result in zip(jobs, results, strict=True):
        found[name][reading] = result
    return found


def optimise(
    model: GPT,
    tokens: Sequence[int],
    reading: Reading,
    params: InvertParams,
    *,
    on_step: Callable[[], object] = lambda: None,
) -> Inversion:
    """Optimise one reading from its own seed, so that none depends on which others run."""
    target, settings = torch.tensor(tokens, device=model.device), settings_of(reading, params)
    generator = torch.Generator().manual_seed(params.seed + reading.prefix)
    k = reading.n_vectors(len(tokens))
    starts = 1 if reading.parallel else params.prefix.starts
    drawn = initial_vectors(
        model, settings.restarts * starts, k, noise=params.init_noise, generator=generator
    )
    return invert(
        model,
        target,
        drawn,
        settings,
        parallel=reading.parallel,
        objective="cross_entropy" if reading.parallel else params.prefix.objective,
        starts=starts,
        on_step=on_step,
    )


def vectors_by_name(found: Found) -> dict[str, npt.NDArray[np.float32]]:
    """Return the learned vectors (B, k, C) of every sentence and reading, by the name of both."""
    return {
        f"{name}_{reading.name}": inversion.vectors.numpy()
        for name, readings in found.items()
        for reading, inversion in readings.items()
    }


def settings_of(reading: Reading, params: InvertParams) -> ReadingParams:
    """Return how a reading is optimised."""
    return params.parallel if reading.parallel else params.prefix


def assess(
    model: GPT,
    tokenizer: Tokenizer,
    name: str,
    tokens: list[int],
    found: Mapping[Reading, Inversion],
    saved: Mapping[Reading, Tensor],
) -> Inverted:
    """Return a sentence with its ceilings, and the verdicts on its `saved` vectors (B, k, C)."""
    target = torch.tensor(tokens, device=model.device)
    return Inverted(
        name=name,
        text=tokenizer.decode(tokens),
        tokens=tokens,
        ceilings=ceilings(model, target),
        found=found,
        verdicts={
            reading: judge(model, target, vectors, parallel=reading.parallel)
            for reading, vectors in saved.items()
        },
    )


def all_tables(
    model: GPT,
    tokenizer: Tokenizer,
    sentences: Sequence[Inverted],
    text: Tokens,
    params: InvertParams,
    compute: ComputeParams,
) -> dict[str, pd.DataFrame]:
    """Return every table about the first sentence, and those that compare it with the others."""
    first = sentences[0]
    counts = count_tokens(text, model.config.vocab_size)
    cloud = torch.from_numpy(np.argsort(-counts, kind="stable")[:CLOUD].copy())
    replies = side_by_side(
        lambda reading: reply_table(model, tokenizer, first, reading, params),
        sorted({PARALLEL, max(first.found)}),
        compute,
    )
    usual = usual_row_cosine(model)
    targets = [tables.target_table(model, tokenizer, one, counts, usual) for one in sentences]
    texts = tokenizer.decode_each(first.tokens)
    return {
        "frontier": tables.frontier_table(sentences),
        "loss": tables.loss_table(first.found, readings_of(params.prefix.lengths)),
        "steps": tables.step_table(first, texts),
        "appearance": tables.appearance_table(first, tokenizer),
        "restarts": tables.restart_table(first, tokenizer),
        "tokens": pd.concat(targets, ignore_index=True),
        "words": tables.word_table(model, tokenizer, first, neighbour_distance(model, cloud)),
        "map": tables.map_table(model, tokenizer, first, cloud),
        "replies": pd.concat(replies, ignore_index=True),
    }


def ceiling_of(model: GPT, sentence: Inverted) -> dict[str, Any]:
    """Return what no input can do better, and what vectors aimed at the best states reach."""
    target, limit = torch.tensor(sentence.tokens, device=model.device), sentence.ceilings
    aimed = aim(model, limit.points)
    verdict = judge(model, target, aimed.vectors, parallel=True)
    return {
        "lowest_possible_loss": limit.lowest_loss,
        "largest_gap_between_bounds": float((limit.upper - limit.lower).max()),
        "best_states_loss": -float(limit.lower.mean()),
        "best_states_inside": aimed.inside,
        "inside_solved": aimed.solved,
        "aimed_loss": -float(verdict.log_probs.mean()),
        "aimed_right": int(verdict.correct[0].sum()),
        "tokens_that_can_be_argmax": sum(can is True for can in limit.can_be_argmax),
        "tokens_that_cannot_be_argmax": sum(can is False for can in limit.can_be_argmax),
    }


def reached_by(
    model: GPT,
    sentence: Inverted,
    saved: Mapping[Reading, Tensor],
    params: InvertParams,
    compute: ComputeParams,
) -> dict[Reading, dict[str, Any]]:
    """Return of each reading what it reached and, where exact, how robustly."""

    def of(reading: Reading) -> dict[str, Any]:
        verdict = sentence.verdicts[reading]
        found = tables.summary(sentence.found[reading], verdict)
        if verdict.exact.any():
            found |= robustness_of(model, sentence, reading, saved[reading], params)
        return found

    readings = list(sentence.verdicts)
    return dict(zip(readings, side_by_side(of, readings, compute), strict=True))


def robustness_of(
    model: GPT, sentence: Inverted, reading: Reading, saved: Tensor, params: InvertParams
) -> dict[str, float]:
    """Return what shares of the exact restarts survive other arithmetic, and the noise radius."""
    target = torch.tensor(sentence.tokens, device=model.device)
    verdict, parallel = sentence.verdicts[reading], reading.parallel
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
