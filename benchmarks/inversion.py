"""Where inversion begins to work, and what its special choices change.

    python -m benchmarks.inversion --by-heart 1200 data/by_heart    train a model by heart first
    python -m benchmarks.inversion --by-heart 600 data/by_heart_decay --embedding-decay 6
    python -m benchmarks.inversion --frontier data/model data/by_heart
    python -m benchmarks.inversion --choices data/model
    python -m benchmarks.inversion --fewest data/model data/by_heart --vectors 1 2 3
    python -m benchmarks.inversion --fewest data/by_heart_decay --vectors 1 --starts 8
    python -m benchmarks.inversion --check data/model data/by_heart     by Hugging Face's GPT-2
    python -m benchmarks.inversion --reach data/model     of a prefix, through attention alone

The sentence, the controls, the readings and their steps are those of params.yaml. The frontier and
the choices go to benchmarks/*.csv; the model learned by heart goes to the directory named. It has
the shape of params.yaml, but no dropout, no discount, no decay unless asked for; the last weights.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.capacity import written_by
from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint
from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.model import GPT
from looking_glass.inversion.ceiling import ceilings
from looking_glass.inversion.judging import judge
from looking_glass.inversion.neighbours import usual_row_cosine
from looking_glass.inversion.optimiser import Inversion, initial_vectors, invert
from looking_glass.inversion.params import InvertParams, PrefixParams, ReadingParams
from looking_glass.inversion.readings import PARALLEL, Reading, readings_of
from looking_glass.inversion.run import assess, optimise, settings_of, targets_of
from looking_glass.inversion.tables import frontier_table, target_table
from looking_glass.pipeline.artifacts import read_csv, read_tensors, write_csv, write_tensors
from looking_glass.pipeline.compute import ComputeParams, prepare, side_by_side
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training.begin import begin
from looking_glass.training.loop import train
from looking_glass.training.params import TrainParams

TABLES = Path("data/encoder.json"), Path("data/vocab.bpe")
HERE = Path(__file__).parent
KEPT = Path("data/capacity/fewest")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--by-heart", nargs=2, metavar=("STEPS", "DIR"))
    parser.add_argument("--embedding-decay", type=float, default=0.0, help="of --by-heart")
    parser.add_argument("--seed", type=int, help="of --by-heart: another than train.seed")
    parser.add_argument("--frontier", nargs="+", type=Path, default=[], metavar="DIR")
    parser.add_argument("--prefix-steps", type=int, help="other than those of params.yaml")
    parser.add_argument("--choices", type=Path, metavar="DIR")
    parser.add_argument("--fewest", nargs="+", type=Path, default=[], metavar="DIR")
    parser.add_argument("--check", nargs="+", type=Path, default=[], metavar="DIR")
    parser.add_argument("--reach", nargs="+", type=Path, default=[], metavar="DIR")
    parser.add_argument("--vectors", nargs="+", type=int, default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--sentence", help="another, of --fewest: then it is printed alone")
    parser.add_argument("--starts", type=int, default=1, help="of each restart, of --fewest")
    parser.add_argument("--rate", type=float, help="another than that of params.yaml, of --fewest")
    parser.add_argument("--objective", choices=["margin", "cross_entropy"], default="margin")
    arguments = parser.parse_args()

    prepare(load_section(ComputeParams, "compute"))
    if arguments.by_heart:
        steps, name = arguments.by_heart
        decay, seed = arguments.embedding_decay, arguments.seed
        learn_by_heart(int(steps), Path(name), decay=decay, seed=seed)
    if arguments.frontier:
        found = [frontier(directory, arguments.prefix_steps) for directory in arguments.frontier]
        steps = f"_{arguments.prefix_steps}" if arguments.prefix_steps else ""
        for what, tables in zip(("frontier", "tokens"), zip(*found, strict=True), strict=True):
            write_csv(HERE / f"inversion_{what}{steps}.csv", pd.concat(tables, ignore_index=True))
    if arguments.choices:
        write_csv(HERE / "inversion_choices.csv", choices(arguments.choices))
    if arguments.fewest:
        chosen = {
            "objective": arguments.objective,
            "starts": arguments.starts,
            "steps": arguments.prefix_steps,
            "learning_rate": arguments.rate,
        }
        changes = {name: value for name, value in chosen.items() if value is not None}
        settings = arguments.vectors, changes, arguments.sentence
        rows = [fewest(directory, *settings) for directory in arguments.fewest]
        if arguments.sentence is None:
            remember(pd.concat(rows, ignore_index=True), HERE / "inversion_fewest.csv")
    for directory in arguments.check:
        check(directory)
    for directory in arguments.reach:
        reach(directory)


def learn_by_heart(steps: int, directory: Path, *, decay: float, seed: int | None) -> None:
    """Train until the book is known by heart, and save the model as a checkpoint.

    `decay` is that of the token embeddings; without a `seed` it is that of params.yaml.
    """
    corpus, shape = read_corpus(Path("data/tokens")), load_section(ModelParams, "model")
    params = load_section(TrainParams, "train").model_copy(
        update={
            "steps": steps,
            "weight_decay": 0.0,
            "embedding_decay": decay,
            "discount": 0.0,
            "noise": 0.0,
            "keep": "last",
            "evaluate_every": min(steps, 100),
            **({} if seed is None else {"seed": seed}),
        }
    )
    shape = shape.model_copy(update={"dropout": 0.0, "embedding_dropout": 0.0})
    run = begin(shape, params, corpus, Tokenizer(*TABLES).token_bytes())
    train(
        run,
        on_evaluation=lambda e: print(
            f"step {e.losses.step}: training loss {e.losses.train:.3f}", flush=True
        ),
    )
    model = run.finish()
    print(f"training loss {mean_loss(model, corpus.train):.3f}, in eval mode")
    save_checkpoint(directory, model.state_dict(), model.config, vocab=TABLES[0], merges=TABLES[1])


def frontier(directory: Path, steps: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what the stage `invert` would of one model: a row a reading, and a row a token."""
    params, compute = load_section(InvertParams, "invert"), load_section(ComputeParams, "compute")
    if steps is not None:
        changed = params.prefix.model_copy(update={"steps": steps})
        params = params.model_copy(update={"prefix": changed})
    model, tokenizer = load_checkpoint(directory), Tokenizer(*TABLES)
    sentences = []
    block_size = model.config.block_size
    for name, tokens in targets_of(params, tokenizer, block_size).items():
        readings = [
            reading
            for reading in readings_of(params.prefix.lengths)
            if reading.fits(len(tokens), block_size)
        ]
        jobs = [(tokens, reading) for reading in readings]
        results = side_by_side(lambda job: optimise(model, *job, params), jobs, compute)
        found = dict(zip(readings, results, strict=True))
        vectors = {reading: inversion.vectors for reading, inversion in found.items()}
        sentences.append(assess(model, tokenizer, name, tokens, found, vectors))
    table = frontier_table(sentences)
    corpus = read_corpus(Path("data/tokens"))
    loss = mean_loss(model, corpus.train)
    counts = np.bincount(corpus.train, minlength=corpus.vocab_size)
    usual = usual_row_cosine(model)
    rows = [target_table(model, tokenizer, sentence, counts, usual) for sentence in sentences]
    tokens_table = pd.concat(rows, ignore_index=True)
    tokens_table.insert(0, "model", directory.name)
    table.insert(0, "model", directory.name)
    table.insert(1, "training_loss", loss)
    table.insert(2, "prefix_steps", params.prefix.steps)
    print(table.drop(columns=["text", "restarts"]).to_string(index=False))
    return table, tokens_table


def fewest(
    directory: Path, lengths: Sequence[int], changes: Mapping[str, Any], sentence: str | None
) -> pd.DataFrame:
    """Return a row per number of vectors: how far restarts write the sentence by themselves.

    `changes` are those to section `invert.prefix`. Vectors of the sentence of params.yaml are kept
    for `check`, those of another `sentence` are not.
    """
    params, compute = load_section(InvertParams, "invert"), load_section(ComputeParams, "compute")
    model = load_checkpoint(directory)
    target = torch.tensor(Tokenizer(*TABLES).encode(sentence or params.sentence))
    prefix = params.prefix.model_copy(update=dict(changes))
    learn = partial(
        invert,
        model,
        target,
        params=prefix,
        parallel=False,
        objective=prefix.objective,
        starts=prefix.starts,
    )
    rows = []
    for k in lengths:
        generator = torch.Generator().manual_seed(params.seed + k)
        drawn = initial_vectors(
            model, prefix.restarts * prefix.starts, k, noise=params.init_noise, generator=generator
        )
        # Some restarts a thread: none knows of the others.
        parts = drawn.view(prefix.restarts, prefix.starts, *drawn.shape[1:]).chunk(compute.threads)
        found = side_by_side(learn, [part.flatten(0, 1) for part in parts], compute)
        vectors = torch.cat([one.vectors for one in found])
        rows.append(_fewest_row(directory.name, model, target, vectors, prefix))
        print(rows[-1], flush=True)
        if sentence is None:
            kept = KEPT / directory.name
            kept.mkdir(parents=True, exist_ok=True)
            saved = {"vectors": vectors.numpy(), "tokens": target.numpy()}
            write_tensors(kept / f"{k}.safetensors", saved)
    return pd.DataFrame(rows)


def _fewest_row(
    name: str, model: GPT, target: Tensor, vectors: Tensor, prefix: PrefixParams
) -> dict[str, object]:
    """Return how the vectors (B, k, C), one of each restart, did."""
    verdict = judge(model, target, vectors, parallel=False)
    written = verdict.correct.cumprod(dim=1).sum(dim=1)
    return {
        "model": name,
        "objective": prefix.objective,
        "vectors": vectors.shape[1],
        "steps": prefix.steps,
        "learning_rate": prefix.learning_rate,
        "starts": prefix.starts,
        "exact": int((written == len(target)).sum()),
        "restarts": len(written),
        "written": " ".join(map(str, written.tolist())),
        "largest_least_gap": float(verdict.gaps.amin(dim=1).max()),
        "lowest_loss": float(-verdict.log_probs.mean(dim=1).max()),
    }


def check(directory: Path) -> None:
    """Say of how many restarts that `fewest` kept Hugging Face's GPT-2 writes the sentence."""
    from transformers import GPT2LMHeadModel

    theirs = GPT2LMHeadModel.from_pretrained(directory).eval()  # type: ignore[no-untyped-call]
    for path in sorted((KEPT / directory.name).glob("*.safetensors")):
        kept = read_tensors(path)
        vectors, tokens = torch.from_numpy(kept["vectors"]), torch.from_numpy(kept["tokens"])
        said = written_by(theirs, vectors, len(tokens))
        exact = int((said == tokens).all(dim=1).sum())
        print(f"{directory.name}, {path.stem} vectors: written in {exact} of {len(said)}")


@torch.no_grad()
def reach(directory: Path) -> None:
    """Print how far each block's attention to a prefix can move the stream, and how long that is.

    What a head adds is a mean of values, each W (γ ⊙ z + β) of some ‖z‖ < √C with mean zero, sent
    through its part of the output projection. So two prefixes differ by less than 2 √C ‖O W diag(γ)
    P‖ in it, P taking the mean away; the sum over heads bounds the block's.
    """
    model = load_checkpoint(directory).double()
    text = Tokenizer(*TABLES).encode(load_section(InvertParams, "invert").sentence)
    C, hs = model.config.n_embd, model.config.n_embd // model.config.n_head
    centre = torch.eye(C, dtype=torch.double) - 1 / C
    stream = model.residual_input(model.embed(torch.tensor([text])), start=1)
    for index, block in enumerate(model.transformer.blocks, start=1):
        values = block.attn.c_attn.weight[2 * C :] * block.ln_1.weight @ centre  # (C, C)
        heads = zip(
            torch.split(block.attn.c_proj.weight, hs, dim=1), torch.split(values, hs), strict=True
        )
        radius = math.sqrt(C) * sum(float(torch.linalg.matrix_norm(o @ w, 2)) for o, w in heads)
        length = float(stream.norm(dim=-1).mean())
        print(f"{directory.name}, block {index}: reach {radius:.1f}, stream {length:.1f} long")
        stream = block(stream)


def remember(rows: pd.DataFrame, path: Path) -> None:
    """Add rows to a table in place of those of the same settings."""
    if path.exists():
        rows = pd.concat([read_csv(path), rows], ignore_index=True)
    same = ["model", "objective", "vectors", "steps", "learning_rate", "starts"]
    write_csv(path, rows.drop_duplicates(same, keep="last").sort_values(same))


def choices(directory: Path) -> pd.DataFrame:
    """Return a row per special choice and reading: each changes one thing of the default."""
    params, compute = load_section(InvertParams, "invert"), load_section(ComputeParams, "compute")
    model = load_checkpoint(directory)
    tokens = Tokenizer(*TABLES).encode(params.sentence)
    target = torch.tensor(tokens)
    lowest = ceilings(model, target).lowest_loss
    n_tokens = len(tokens)
    jobs: list[tuple[str, Tensor, ReadingParams, Reading]] = []
    for reading in (PARALLEL, Reading(max(params.prefix.lengths))):
        settings, n = settings_of(reading, params), reading.n_vectors(n_tokens)

        def fresh(noise: float, n: int = n, restarts: int = settings.restarts) -> Tensor:
            generator = torch.Generator().manual_seed(params.seed)
            return initial_vectors(model, restarts, n, noise=noise, generator=generator)

        default = fresh(params.init_noise)
        own = model.embed(target.repeat(-(-n // n_tokens))[:n])
        generator = torch.Generator().manual_seed(params.seed)
        ids = torch.randint(model.config.vocab_size, default.shape, generator=generator)
        starts = {
            f"start: mean plus {params.init_noise:g} times the embeddings' noise": default,
            "start: 0.1 times the noise": fresh(0.1),
            "start: 1 times the noise": fresh(1.0),
            "start: 100 times the noise": fresh(100.0),
            "start: the sentence's own embeddings": own.expand_as(default),
            "start: zeros": torch.zeros_like(default),
            "start: as large as token ids": ids.float(),
        }
        jobs += [(label, start, settings, reading) for label, start in starts.items()]
        for rate in (0.01, 0.03, 0.3, 1.0):
            changed = settings.model_copy(update={"learning_rate": rate})
            jobs.append((f"rate: {rate}", default, changed, reading))
        jobs.append(("positions: none", default, settings, reading))
    without = load_checkpoint(directory)
    without.transformer.wpe.weight.zero_()

    def run(job: tuple[str, Tensor, ReadingParams, Reading]) -> dict[str, object]:
        label, start, settings, reading = job
        inverted = without if label == "positions: none" else model
        return measure(label, inverted, target, start, settings, reading, lowest)

    return pd.DataFrame(side_by_side(run, jobs, compute))


def measure(
    label: str,
    model: GPT,
    target: Tensor,
    start: Tensor,
    settings: ReadingParams,
    reading: Reading,
    lowest: float,
) -> dict[str, object]:
    """Return what inverting from `start` reached."""
    found: Inversion = invert(model, target, start, settings, parallel=reading.parallel)
    verdict = judge(model, target, found.vectors, parallel=reading.parallel)
    first = found.first_exact_step[found.first_exact_step >= 0]
    row = {
        "choice": label,
        "reading": reading.name,
        "exact_rate": float(verdict.exact.float().mean()),
        "loss": -float(verdict.log_probs.mean()),
        "lowest_possible_loss": lowest,
        "median_first_exact_step": int(first.median()) if len(first) else None,
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
