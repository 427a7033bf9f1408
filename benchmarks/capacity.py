"""How long a text the model writes by itself, exactly, after k learned vectors.

    python -m benchmarks.capacity data/model data/by_heart      go on with benchmarks/capacity.csv
    python -m benchmarks.capacity data/model --one-pass         the same of two vectors, in one pass
    python -m benchmarks.capacity data/model --check            by Hugging Face's GPT-2, greedily
    python -m benchmarks.capacity data/model --draw             docs/capacity.svg

A row of the table is a text and a number of vectors. Rows that are there are kept, so that it can
be stopped after any; the vectors of each go to data/capacity/.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from looking_glass.inversion.growing import after_prefix, best_starts, grow, in_one_pass, limit
from looking_glass.inversion.judging import judge
from looking_glass.inversion.optimiser import initial_vectors
from looking_glass.inversion.params import InvertParams
from looking_glass.pipeline.artifacts import read_tensors, write_csv, write_tensors
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import read_corpus
from looking_glass.text.tokenizer import Tokenizer

TABLES = Path("data/encoder.json"), Path("data/vocab.bpe")
TABLE = Path(__file__).parent / "capacity.csv"
FIGURE = Path("docs/capacity.svg")
KEPT = Path("data/capacity")
STARTS = 16  # that are drawn for each restart
KINDS = {"book": "the book", "held out": "held out", "words": "random words"}
TITLES = {"model": "the default model", "by_heart": "the one that knows the book by heart"}
COLOURS = {"book": "#0072b2", "held out": "#d55e00", "words": "#009e73"}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--vectors", nargs="+", type=int, default=[1, 3, 9, 27])
    parser.add_argument("--passages", type=int, default=2, help="texts of each kind")
    parser.add_argument("--restarts", type=int, default=4)
    parser.add_argument("--patience", type=int, default=24, help="steps for the same length")
    parser.add_argument("--one-pass", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--draw", action="store_true")
    arguments = parser.parse_args()

    prepare(load_section(ComputeParams, "compute").model_copy(update={"threads": 1}))
    if arguments.draw:
        draw(pd.read_csv(TABLE), FIGURE)
    for directory in arguments.models:
        if arguments.check:
            check(directory)
        elif not arguments.draw:
            measure(directory, arguments)


def texts_of(tokenizer: Tokenizer, n_each: int, length: int) -> dict[tuple[str, int], Tensor]:
    """Return the texts, each of `length` tokens, by kind and number; the sentence as it is."""
    corpus, params = read_corpus(Path("data/tokens")), load_section(InvertParams, "invert")
    words = sorted({w for w in tokenizer.decode(corpus.train.tolist()).split() if plain(w)})
    found: dict[tuple[str, int], Tensor] = {}
    for number in range(n_each):
        generator = torch.Generator().manual_seed(params.seed + number)
        for kind, part in (("book", corpus.train), ("held out", corpus.val)):
            start = int(torch.randint(len(part) - length, (1,), generator=generator))
            found[kind, number] = torch.from_numpy(part[start : start + length].astype("int64"))
        drawn = torch.randint(len(words), (length,), generator=generator)
        ids = tokenizer.encode(" ".join(words[index] for index in drawn.tolist()))
        found["words", number] = torch.tensor(ids[:length])
    found["sentence", 0] = torch.tensor(tokenizer.encode(params.sentence))
    return found


def plain(word: str) -> bool:
    """Return whether it is of small letters alone."""
    return word.isascii() and word.isalpha() and word.islower()


def measure(directory: Path, arguments: argparse.Namespace) -> None:
    """Add the rows that the table lacks."""
    model, tokenizer = load_checkpoint(directory), Tokenizer(*TABLES)
    table = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame()
    for number in range(arguments.passages):
        texts = texts_of(tokenizer, number + 1, model.config.block_size)
        for (kind, text_number), text in texts.items():
            for k in (2,) if arguments.one_pass else arguments.vectors:
                reading = "one pass" if arguments.one_pass else "prefix"
                key: dict[str, Any] = {"model": directory.name, "reading": reading, "kind": kind}
                key |= {"text": text_number, "vectors": k}
                if text_number != number or (len(table) and has(table, key)):
                    continue
                row = key | grown(model, text, k, arguments, name_of(key))
                row["start"] = tokenizer.decode(text[: row["longest"]].tolist())
                print(row, flush=True)
                table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
                write_csv(TABLE, table)


def has(table: pd.DataFrame, key: dict[str, Any]) -> bool:
    """Return whether the table has a row of these values."""
    return bool((table[list(key)] == pd.Series(key)).all(axis=1).any())


def name_of(key: dict[str, Any]) -> str:
    """Return what the vectors of a row are called."""
    return "_".join(str(value).replace(" ", "-") for value in key.values())


def grown(
    model: GPT, text: Tensor, k: int, arguments: argparse.Namespace, name: str
) -> dict[str, Any]:
    """Return what k vectors reached, judged by writing; save the best restart's."""
    params = load_section(InvertParams, "invert")
    generator = torch.Generator().manual_seed(params.seed + k)
    states = in_one_pass if arguments.one_pass else after_prefix
    began = time.process_time()
    many = STARTS * arguments.restarts
    drawn = initial_vectors(model, many, k, noise=params.init_noise, generator=generator)
    if arguments.one_pass:  # one position says the first token
        first = best_starts(model, text, drawn[:, :1], arguments.restarts)
        start = torch.cat([first, drawn[: arguments.restarts, 1:]], dim=1)
    else:
        start = best_starts(model, text, drawn, arguments.restarts)
    found = grow(model, text, start, patience=arguments.patience, states=states)
    seconds = time.process_time() - began
    best = int(found.lengths.argmax())
    n, vectors = int(found.lengths[best]), found.vectors[best : best + 1]
    row = {
        "limit": min(len(text), limit(model, k, states)),
        "longest": n,
        "median": float(found.lengths.double().median()),
        "restarts": arguments.restarts,
        "restarts_at_longest": int((found.lengths == n).sum()),
        "smallest_gap": float(found.gaps[best]),
        "steps": found.steps,
        "seconds": round(seconds, 1),
    }
    if arguments.one_pass:
        said = model.lm_head(in_one_pass(model, text[:n], vectors))[0].argmax(dim=-1)
    else:
        whole = judge(model, text[: row["limit"]], vectors, parallel=False)
        said = whole.said[0, :n]
        row["forced_share"] = float((whole.ranks[0] == 1).float().mean())
        row["free_share"] = float(whole.correct[0].float().mean())
        row["nats_gained"] = 0.0
        if n > 1:
            alone = judge(model, text[1:n], model.embed(text[:1])[None], parallel=False)
            row["nats_gained"] = float(whole.log_probs[0, 1:n].sum() - alone.log_probs.sum())
        KEPT.mkdir(parents=True, exist_ok=True)
        saved = {"vectors": vectors.numpy(), "tokens": text[:n].numpy()}
        write_tensors(KEPT / f"{name}.safetensors", saved)
    if said.tolist() != text[:n].tolist():
        raise RuntimeError(f"{name}: {n} tokens were found to be exact, and are not")
    return row


def written_by(theirs: Any, vectors: Tensor, n: int) -> Tensor:
    """Return what a GPT-2 of Hugging Face's writes after vectors, greedily: (B, k, C) → (B, n)."""
    said: Tensor = theirs.generate(
        inputs_embeds=vectors,
        attention_mask=torch.ones(vectors.shape[:2], dtype=torch.long),
        max_new_tokens=n,
        min_new_tokens=n,
        do_sample=False,
        pad_token_id=theirs.config.eos_token_id,
    )
    return said


def check(directory: Path) -> None:
    """Say of how many texts Hugging Face's GPT-2 writes every token, greedily, from the vectors."""
    from transformers import GPT2LMHeadModel

    ours = load_checkpoint(directory)
    theirs = GPT2LMHeadModel.from_pretrained(directory).eval()  # type: ignore[no-untyped-call]
    exact, files = 0, sorted(KEPT.glob(f"{directory.name}_*.safetensors"))
    for path in files:
        kept = read_tensors(path)
        vectors, tokens = torch.from_numpy(kept["vectors"]), torch.from_numpy(kept["tokens"])
        said = written_by(theirs, vectors, len(tokens))[0]
        mine = generate_greedy(ours, vectors, len(tokens))[0]
        exact += int(torch.equal(said, tokens))
        if not torch.equal(said, tokens) or not torch.equal(mine, tokens):
            print(f"{path.name}: ours {mine.tolist()}, theirs {said.tolist()}")
    print(f"{directory.name}: {exact} of {len(files)} texts exact by Hugging Face's GPT-2")


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw length against vectors: a point a text, a line through the means, the block's limit."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "capacity", "font.size": 9})
    names = list(dict.fromkeys(table["model"]))
    figure, axes = plt.subplots(1, len(names), figsize=(5.2 * len(names), 3.4), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        rows = table[(table["model"] == name) & (table["reading"] == "prefix")]
        for kind, label in KINDS.items():
            of_kind = rows[rows["kind"] == kind]
            means = of_kind.groupby("vectors")["longest"].mean()
            axis.plot(means.index, means, color=COLOURS[kind], label=label)
            axis.plot(of_kind["vectors"], of_kind["longest"], "o", ms=3.5, color=COLOURS[kind])
        limits = rows[rows["kind"] == "book"].groupby("vectors")["limit"].first()
        axis.plot(limits.index, limits, color="0.5", ls="--", label="the block's limit")
        axis.set_xscale("log")
        axis.set_xticks(limits.index, [str(k) for k in limits.index])
        axis.set_xticks([], minor=True)
        axis.set_yscale("log", base=2)
        ticks = [2**power for power in range(7)]
        axis.set_yticks(ticks, [str(tick) for tick in ticks])
        axis.set_xlabel("learned vectors")
        axis.set_ylabel("tokens written exactly")
        axis.set_title(TITLES.get(name, name), loc="left", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
