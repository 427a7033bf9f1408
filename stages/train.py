"""Train the model; keep the weights that the validation text prefers."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.text.corpus import Corpus, read_corpus
from looking_glass.pipeline.errors import run_stage
from looking_glass.gpt.loss import mean_loss
from looking_glass.text.memorisation import longest_verbatim_run, verbatim_share
from looking_glass.gpt.mingpt import build_mingpt
from looking_glass.gpt.model import (
    GPT,
    GPTConfig,
    ModelParams,
    load_checkpoint,
    sample_tokens,
    save_checkpoint,
)
from looking_glass.baselines.kneser_ney import KneserNey
from looking_glass.training.processes import Processes, joined, spoken_once
from looking_glass.pipeline.params import load_section
from looking_glass.training.pretrained import FROM_SCRATCH, checkpoint_files, start_from
from looking_glass.training.resume import Scratch, fingerprint
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training.run import Evaluation, Training, TrainParams, train

TOKENS, VOCAB, MERGES = Path("data/tokens"), Path("data/encoder.json"), Path("data/vocab.bpe")
MODEL, SCRATCH = Path("data/model"), Path(".scratch")
METRICS = Path("metrics/train.json")
LOSS = Path("data/tables/train/loss.csv")
BASELINES = {"unigram": 1, "bigram": 2, "trigram": 3}
# What the model is made to write, to see how much of it is copied: texts of at most so many tokens.
SAMPLES, SAMPLE_LENGTH, SAMPLE_SEED = 20, 64, 1


def main() -> None:
    """Write the checkpoint, the loss curve, and how the model compares with n-grams."""
    compute = load_section(ComputeParams, "compute")
    shape = load_section(ModelParams, "model")
    params = load_section(TrainParams, "train")
    corpus = read_corpus(TOKENS)
    with joined(prepare(compute)) as (processes, device):
        torch.manual_seed(params.seed)  # initial weights and dropout
        model = build(shape, corpus.vocab_size).to(device)
        token_bytes, pretrained = Tokenizer(VOCAB, MERGES).token_bytes(), shape.init != FROM_SCRATCH
        run = Training(model, corpus, token_bytes, params, processes, pretrained=pretrained)
        scratch = Scratch(SCRATCH, fingerprint(what_decides(processes, compute, shape, params)))
        if state := processes.share(scratch.load() if processes.first else None):
            run.load(state)
        history = train_in_sight(run, scratch)
    if processes.first:
        write(run, history)
        scratch.clear()


def build(shape: ModelParams, vocab_size: int) -> GPT:
    """Return the model to train, its weights drawn from the global generator or those given."""
    config = GPTConfig(
        vocab_size=vocab_size, **shape.model_dump(exclude={"implementation", "init"})
    )
    model = GPT(config) if shape.implementation == "builtin" else build_mingpt(config)
    if shape.init != FROM_SCRATCH:
        start_from(model, Path(shape.init))
    return model


def write(run: Training, history: pd.DataFrame) -> None:
    """Write the weights to keep, the loss curve, and what the saved model is worth."""
    model = run.finish()
    with whole_directory(MODEL) as directory:
        save_checkpoint(directory, model.state_dict(), model.config, vocab=VOCAB, merges=MERGES)
        kept = load_checkpoint(directory, model.device)
    write_csv(LOSS, history)
    write_json(METRICS, {"kept_step": run.kept_step, **measure(kept, run.corpus)})


def what_decides(
    processes: Processes, compute: ComputeParams, shape: ModelParams, params: TrainParams
) -> list[bytes]:
    """Return the content of everything that decides how training goes: a run's identity."""
    code = [*sorted(Path("looking_glass").glob("*.py")), Path(__file__)]
    files = [*sorted(TOKENS.iterdir()), VOCAB, MERGES, *code, *checkpoint_files(shape.init)]
    settings = [section.model_dump_json().encode() for section in (compute, shape, params)]
    machinery = [torch.__version__.encode(), str(processes.size).encode()]
    return [*machinery, *settings, *(path.read_bytes() for path in files)]


def train_in_sight(run: Training, scratch: Scratch) -> pd.DataFrame:
    """Train with a progress bar on a terminal, and a line at each evaluation anywhere.

    Of several processes only the first is seen, and only it saves where to go on.
    """
    if not run.processes.first:
        return train(run)
    n = sum(parameter.numel() for parameter in run.learner.model.parameters())
    total = run.params.steps
    if run.done:
        print(f"going on from step {run.done}, where an unfinished run of the same was stopped")
    print(f"training {n:,} parameters on {run.learner.model.device} for {total} steps")
    with tqdm(total=total, initial=run.done, unit="step", disable=None) as bar:

        def show(now: Evaluation) -> None:
            minutes, seconds = divmod(round(now.remaining), 60)
            bar.write(
                f"step {now.step:>5}/{total}  train {now.train_loss:.3f}  "
                f"val {now.val_loss:.3f} nats/token  {now.speed:,.0f} tokens/s  "
                f"{minutes}:{seconds:02} left"
            )

        return train(run, on_step=bar.update, on_evaluation=show, save=scratch.save)


def measure(model: GPT, corpus: Corpus) -> dict[str, object]:
    """Return the saved model's losses, freshly measured, beside those of the baselines."""
    tokens, val = corpus.train.tolist(), corpus.val.tolist()
    val_loss = mean_loss(model, corpus.val)
    bits = val_loss * (len(val) - 1) / math.log(2)
    return {
        "val_loss": val_loss,
        "val_bits_per_byte": bits / corpus.val_bytes,
        "train_loss": mean_loss(model, corpus.train),
        **copied(model, tokens),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "baseline_val_loss": {
            name: KneserNey(tokens, order=order, vocab_size=model.config.vocab_size).mean_loss(val)
            for name, order in BASELINES.items()
        },
    }


def copied(model: GPT, tokens: list[int]) -> dict[str, object]:
    """Return how much of what the model writes stands in its training text, word for word.

    Each sample follows one token from a random place in the text, which is not counted.
    """
    generator = torch.Generator().manual_seed(SAMPLE_SEED)
    places = torch.randint(len(tokens), (SAMPLES, 1), generator=generator)
    length = min(SAMPLE_LENGTH, model.config.block_size)
    samples = sample_tokens(model, torch.tensor(tokens)[places], length, generator).tolist()
    return {
        "longest_verbatim_run": longest_verbatim_run(samples, tokens),
        "verbatim_8gram_share": verbatim_share(samples, tokens, 8),
    }


if __name__ == "__main__":
    run_stage(spoken_once(main))
