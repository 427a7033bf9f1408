"""Train the model; keep the weights that the validation text prefers."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from tqdm import tqdm

from looking_glass.artifacts import whole_directory, write_csv, write_json
from looking_glass.compute import ComputeParams, prepare
from looking_glass.corpus import Corpus, read_corpus
from looking_glass.errors import run_stage
from looking_glass.mingpt import build_mingpt
from looking_glass.model import GPT, GPTConfig, ModelParams, load_checkpoint, save_checkpoint
from looking_glass.ngram import KneserNey
from looking_glass.params import load_section
from looking_glass.training import Evaluation, Trained, TrainParams, check_lengths, mean_loss, train

TOKENS, VOCAB, MERGES = Path("data/tokens"), Path("data/encoder.json"), Path("data/vocab.bpe")
MODEL = Path("data/model")
METRICS = Path("metrics/train.json")
LOSS = Path("reports/train/loss.csv")
BASELINES = {"unigram": 1, "bigram": 2, "trigram": 3}


def main() -> None:
    """Write the checkpoint, the loss curve, and how the model compares with n-grams."""
    compute = load_section(ComputeParams, "compute")
    shape = load_section(ModelParams, "model")
    params = load_section(TrainParams, "train")
    device = prepare(compute)
    corpus = read_corpus(TOKENS)
    check_lengths(corpus, shape.block_size)
    torch.manual_seed(params.seed)  # initial weights and dropout
    config = GPTConfig(vocab_size=corpus.vocab_size, **shape.model_dump(exclude={"implementation"}))
    build = GPT if shape.implementation == "builtin" else build_mingpt
    model = build(config).to(device)
    trained = run(model, corpus, params)

    with whole_directory(MODEL) as directory:
        save_checkpoint(directory, trained.state, config, vocab=VOCAB, merges=MERGES)
        kept = load_checkpoint(directory, device)
    write_csv(LOSS, trained.history)
    write_json(METRICS, measure(kept, corpus, trained))


def run(model: GPT, corpus: Corpus, params: TrainParams) -> Trained:
    """Train with a progress bar on a terminal, and a line at each evaluation anywhere."""
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"training {n_parameters:,} parameters on {model.device} for {params.steps} steps")
    with tqdm(total=params.steps, unit="step", disable=None) as bar:

        def show(now: Evaluation) -> None:
            minutes, seconds = divmod(round(now.remaining), 60)
            bar.write(
                f"step {now.step:>5}/{params.steps}  train {now.train_loss:.3f}  "
                f"val {now.val_loss:.3f} nats/token  {now.speed:,.0f} tokens/s  "
                f"{minutes}:{seconds:02} left"
            )

        return train(model, corpus, params, on_step=bar.update, on_evaluation=show)


def measure(model: GPT, corpus: Corpus, trained: Trained) -> dict[str, object]:
    """Return the kept model's losses, freshly measured, beside those of the baselines."""
    tokens, val = corpus.train.tolist(), corpus.val.tolist()
    val_loss = mean_loss(model, corpus.val)
    bits = val_loss * (len(val) - 1) / math.log(2)
    return {
        "val_loss": val_loss,
        "val_bits_per_byte": bits / corpus.val_bytes,
        "train_loss": mean_loss(model, corpus.train),
        "kept_step": trained.step,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "baseline_val_loss": {
            name: KneserNey(tokens, order=order, vocab_size=model.config.vocab_size).mean_loss(val)
            for name, order in BASELINES.items()
        },
    }


if __name__ == "__main__":
    run_stage(main)
