"""Train the model; keep the weights that the parameters ask for. Or take one as it is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training.begin import begin
from looking_glass.training.loop import train_in_sight
from looking_glass.training.params import TrainParams
from looking_glass.training.processes import process_group, reported_once
from looking_glass.training.resume import Scratch, fingerprint
from looking_glass.training.start import check_encoder, checkpoint_files
from looking_glass.training.untrained import as_given

TOKENS, VOCAB, MERGES = Path("data/tokens"), Path("data/encoder.json"), Path("data/vocab.bpe")
MODEL, LOSS = Path("data/model"), Path("data/tables/train/loss.csv")
METRICS, SCRATCH = Path("metrics/train.json"), Path(".scratch")


def main() -> None:
    """Write the checkpoint and the loss curve; go on from where the same run was stopped."""
    compute = load_section(ComputeParams, "compute")
    shape = load_section(ModelParams, "model")
    params = load_section(TrainParams, "train")
    corpus = read_corpus(TOKENS)
    files = [
        *sorted(TOKENS.iterdir()),
        VOCAB,
        MERGES,
        *checkpoint_files(shape.init),
        Path(__file__),
    ]
    check_encoder(shape.init, VOCAB)
    tokenizer = Tokenizer(VOCAB, MERGES)
    with process_group(prepare(compute)) as (processes, device):
        if params.steps == 0:
            model, history = as_given(shape, corpus, device)
            if processes.first:
                write(model, history, tokenizer, kept_step=0)
            return
        identity = fingerprint((compute, shape, params), files, processes.size)
        processes.require_same(identity)
        run = begin(shape, params, corpus, tokenizer.token_bytes(), processes, device)
        scratch = Scratch(SCRATCH, identity)
        if state := processes.share(scratch.load(run.state()) if processes.first else None):
            run.load(state)
        history = train_in_sight(run, scratch)
    if processes.first:
        write(run.finish(), history, tokenizer, kept_step=run.kept_step)
        scratch.clear()


def write(model: GPT, history: pd.DataFrame, tokenizer: Tokenizer, *, kept_step: int) -> None:
    """Write the checkpoint, the losses by step, and what the run comes to in two numbers."""
    end, state = tokenizer.end_of_text, model.state_dict()
    with whole_directory(MODEL) as directory:
        save_checkpoint(directory, state, model.config, vocab=VOCAB, merges=MERGES, end_of_text=end)
    write_csv(LOSS, history)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    write_json(METRICS, {"kept_step": kept_step, "parameters": n_parameters})


if __name__ == "__main__":
    run_stage(reported_once(main))
