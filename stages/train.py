"""Train the model; keep the weights that the parameters ask for."""

from __future__ import annotations

from pathlib import Path

from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.gpt.config import ModelParams
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
from looking_glass.training.start import checkpoint_files

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
    with process_group(prepare(compute)) as (processes, device):
        token_bytes = Tokenizer(VOCAB, MERGES).token_bytes()
        identity = fingerprint((compute, shape, params), files, processes.size)
        processes.require_same(identity)
        run = begin(shape, params, corpus, token_bytes, processes, device)
        scratch = Scratch(SCRATCH, identity)
        if state := processes.share(scratch.load(run.state()) if processes.first else None):
            run.load(state)
        history = train_in_sight(run, scratch)
    if processes.first:
        model = run.finish()
        with whole_directory(MODEL) as directory:
            save_checkpoint(directory, model.state_dict(), model.config, vocab=VOCAB, merges=MERGES)
        write_csv(LOSS, history)
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        write_json(METRICS, {"kept_step": run.kept_step, "parameters": n_parameters})
        scratch.clear()


if __name__ == "__main__":
    run_stage(reported_once(main))
