"""Say what the trained model is worth: its losses, beside n-grams', and what it copies."""

from __future__ import annotations

import math
from pathlib import Path

from looking_glass.baselines.kneser_ney import COUNTED, baseline_losses, trigram_loss_at
from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.gpt.evaluation import EvaluateParams, context_table, part_table
from looking_glass.gpt.generation import sample_after
from looking_glass.gpt.loss import mean_loss
from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.overlap import copied
from looking_glass.text.sample import n_tokens, sample_runs

MODEL, TOKENS, METRICS = Path("data/model"), Path("data/tokens"), Path("metrics/evaluate.json")
TABLES = Path("data/tables/evaluate")
# What the model is made to write, to see how much of it is copied: texts of at most so many tokens.
SAMPLES, SAMPLE_LENGTH, SAMPLE_SEED = 20, 64, 1
NGRAM = 8  # tokens of a piece that counts as copied


def main() -> None:
    """Write the losses of the model as it lies on disk, and those of the baselines: nats/token."""
    params = load_section(EvaluateParams, "evaluate")
    model = load_checkpoint(MODEL, prepare(load_section(ComputeParams, "compute")))
    corpus = read_corpus(TOKENS)
    train, val = (sample_runs(part, params.tokens) for part in (corpus.train, corpus.val))
    val_loss = mean_loss(model, val)
    bits = val_loss * (len(corpus.val) - 1) / math.log(2)
    samples = sample_after(model, corpus.train, SAMPLES, SAMPLE_LENGTH, seed=SAMPLE_SEED)
    found = copied(samples, corpus.train, NGRAM)
    places = params.places_in(len(corpus.val), model.config.block_size)
    contexts, parts = context_table(model, corpus.val, places), part_table(model, val)
    contexts["trigram"] = trigram_loss_at(corpus, places)
    baselines = baseline_losses(corpus, val)
    with whole_directory(TABLES) as directory:
        write_csv(directory / "contexts.csv", contexts)
        write_csv(directory / "parts.csv", parts)
    metrics = {
        "val_loss": val_loss,
        "val_bits_per_byte": bits / corpus.val_bytes,
        "train_loss": mean_loss(model, train),
        "val_loss_without_first_attention": float(parts["without_attention"].iloc[0]),
        "val_loss_without_all_attention": float(parts["without_attention"].iloc[-1]),
        "longest_verbatim_run": found.longest_run,
        f"verbatim_{NGRAM}gram_share": found.ngram_share,
        "baseline_val_loss": baselines,
        **read_in_part(
            val_tokens_read=(n_tokens(val), len(corpus.val)),
            train_tokens_read=(n_tokens(train), len(corpus.train)),
            baseline_tokens_counted=(COUNTED, len(corpus.train)),
        ),
    }
    write_json(METRICS, metrics)
    told = ", ".join(f"{name} {loss:.3f}" for name, loss in baselines.items())
    print(f"{val_loss:.3f} nats/token on the held-out text; {told}")


def read_in_part(**texts: tuple[int, int]) -> dict[str, int]:
    """Return how many tokens were read, of those texts that have more."""
    return {name: read for name, (read, there) in texts.items() if read < there}


if __name__ == "__main__":
    run_stage(main)
