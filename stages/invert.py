"""Learn input vectors that make the frozen model say the sentence, and check that it does."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from looking_glass.artifacts import (
    read_tensors,
    whole_directory,
    write_csv,
    write_json,
    write_tensors,
)
from looking_glass.compute import ComputeParams, prepare
from looking_glass.errors import run_stage
from looking_glass.inversion import (
    PARALLEL,
    Inversion,
    InvertParams,
    Verdict,
    check_fits,
    initial_vectors,
    invert,
    judge,
    nearest_rows,
)
from looking_glass.model import (
    GPT,
    MERGES_FILE,
    VOCAB_FILE,
    load_checkpoint,
    weights_sha256,
)
from looking_glass.params import load_section
from looking_glass.tokenizer import Tokenizer

MODEL, VECTORS = Path("data/model"), Path("data/inversion")
METRICS = Path("metrics/invert.json")
REPORTS = Path("reports/invert")


def main() -> None:
    """Write the vectors of every reading, then judge them as they lie on disk."""
    params = load_section(InvertParams, "invert")
    device = prepare(load_section(ComputeParams, "compute"))
    model = load_checkpoint(MODEL, device)
    tokenizer = Tokenizer(MODEL / VOCAB_FILE, MODEL / MERGES_FILE)
    tokens = tokenizer.encode(params.sentence)
    lengths = (PARALLEL, *params.prefix.lengths)
    for k in lengths:
        check_fits(len(tokens), k, model.config.block_size)
    target = torch.tensor(tokens, device=device)

    before = weights_sha256(model)
    found = {k: optimise(model, target, k, params) for k in lengths}
    assert weights_sha256(model) == before, "the frozen model was changed"
    with whole_directory(VECTORS) as directory:
        for k, inversion in found.items():
            write_tensors(
                directory / f"{name_of(k)}.safetensors", {"vectors": inversion.vectors.numpy()}
            )

    fresh = load_checkpoint(MODEL, device)
    verdicts = {k: judge(fresh, target, saved_vectors(k), parallel=k == PARALLEL) for k in lengths}
    write_csv(REPORTS / "loss.csv", loss_table(found))
    write_csv(REPORTS / "restarts.csv", restart_table(found, verdicts, tokenizer))
    write_csv(REPORTS / "tokens.csv", token_table(fresh, tokenizer, tokens, verdicts))
    write_json(METRICS, {name_of(k): summary(found[k], verdicts[k]) for k in lengths})


def name_of(k: int) -> str:
    """Return what a reading is called in files and metrics."""
    return "parallel" if k == PARALLEL else f"prefix_{k}"


def saved_vectors(k: int) -> Tensor:
    """Return one reading's vectors as they lie on disk: (B, k, C)."""
    return torch.from_numpy(read_tensors(VECTORS / f"{name_of(k)}.safetensors")["vectors"])


def optimise(model: GPT, target: Tensor, k: int, params: InvertParams) -> Inversion:
    """Optimise one reading from its own seed, so that no reading depends on which others run."""
    reading = params.parallel if k == PARALLEL else params.prefix
    generator = torch.Generator().manual_seed(params.seed + k)
    start = initial_vectors(
        model, reading.restarts, k or len(target), noise=params.init_noise, generator=generator
    )
    with tqdm(total=reading.steps, desc=name_of(k), unit="step", disable=None) as bar:
        found = invert(model, target, start, reading, parallel=k == PARALLEL, on_step=bar.update)
    print(f"{name_of(k)}: {found.losses[0].mean():.3f} → {found.losses[-1].mean():.3f} nats/token")
    return found


def loss_table(found: dict[int, Inversion]) -> pd.DataFrame:
    """Return a row per step: each reading's mean loss over its restarts, in nats/token."""
    columns = {name_of(k): pd.Series(f.losses.mean(dim=1).numpy()) for k, f in found.items()}
    return pd.DataFrame(columns).rename_axis("step").reset_index()


def restart_table(
    found: dict[int, Inversion], verdicts: dict[int, Verdict], tokenizer: Tokenizer
) -> pd.DataFrame:
    """Return a row per reading and restart: what the model said, and how surely."""
    return pd.DataFrame(
        {
            "reading": name_of(k),
            "restart": restart,
            "exact": int(verdict.exact[restart]),
            "loss": -float(verdict.log_probs[restart].mean()),
            "smallest_gap": float(verdict.gaps[restart].min()),
            "first_exact_step": int(found[k].first_exact_step[restart]),
            "said": tokenizer.decode(verdict.said[restart].tolist()),
        }
        for k, verdict in verdicts.items()
        for restart in range(len(verdict.exact))
    )


def token_table(
    model: GPT, tokenizer: Tokenizer, tokens: list[int], verdicts: dict[int, Verdict]
) -> pd.DataFrame:
    """Return a row per target token: its probability in each reading's best restart, and unaided.

    Unaided is what the model gives it after the sentence's own true tokens; the first has none.
    """
    target = torch.tensor(tokens, device=model.device)
    table = pd.DataFrame(
        {
            "position": range(len(tokens)),
            "token": tokens,
            "text": tokenizer.decode_each(tokens),
            "output_row_norm": model.lm_head.weight[target].norm(dim=1).tolist(),
        }
    )
    nearest, cosine = nearest_rows(model, target)
    table["nearest_row"] = tokenizer.decode_each(nearest.tolist())
    table["nearest_row_cosine"] = cosine.tolist()
    if len(tokens) > 1:
        # The first token's own embedding, as a prefix of one vector: the text runs on from it.
        own = judge(model, target[1:], model.embed(target[:1])[None], parallel=False)
        table["unaided"] = [float("nan"), *own.log_probs[0].exp().tolist()]
        table["unaided_rank"] = pd.array([pd.NA, *own.ranks[0].tolist()], dtype="Int64")
    for k, verdict in verdicts.items():
        best = int(verdict.log_probs.mean(dim=1).argmax())
        table[name_of(k)] = verdict.log_probs[best].exp().tolist()
    return table


def summary(inversion: Inversion, verdict: Verdict) -> dict[str, object]:
    """Return one reading's metrics, over all its restarts."""
    reached = inversion.first_exact_step[inversion.first_exact_step >= 0]
    return {
        "exact_rate": float(verdict.exact.float().mean()),
        "token_accuracy": float(verdict.correct.float().mean()),
        "loss": -float(verdict.log_probs.mean()),
        "best_loss": -float(verdict.log_probs.mean(dim=1).max()),
        "smallest_probability": float(verdict.log_probs.min().exp()),
        "smallest_gap": float(verdict.gaps.min()),
        "first_exact_step": int(reached.min()) if len(reached) else None,
    }


if __name__ == "__main__":
    run_stage(main)
