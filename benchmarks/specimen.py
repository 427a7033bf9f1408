"""Set models side by side: what each knows of the book, how it attends, and why it chose a word.

    python -m benchmarks.specimen data/model data/by_heart

A row a number, a column a model, as Markdown, for the first prompt of params.yaml.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from looking_glass.attention.cause_tables import provenance_table
from looking_glass.attention.continuation import continue_prompt
from looking_glass.attention.heads import head_habits
from looking_glass.attention.params import AttentionParams
from looking_glass.attention.replacements import match_tokens
from looking_glass.attention.traced import TracedSentence, trace_sentence
from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.gpt.evaluation import losses_without
from looking_glass.gpt.generation import sample_after
from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import Corpus, read_corpus
from looking_glass.text.language import TextParams
from looking_glass.text.overlap import copied
from looking_glass.text.reader import Reader
from looking_glass.yardstick.run import judge_sentence

TABLES = Path("data/encoder.json"), Path("data/vocab.bpe")
SAMPLES, LENGTH = 20, 64  # as the stage `evaluate` has them


def main() -> None:
    """Print the table for the checkpoints on the command line."""
    compute = load_section(ComputeParams, "compute")
    prepare(compute)
    corpus = read_corpus(Path("data/tokens"))
    tokenizer = Reader(*TABLES, load_section(TextParams, "text"))
    prompt = load_section(AttentionParams, "attention").prompts[0]
    columns = {}
    for directory in map(Path, sys.argv[1:]):
        model = load_checkpoint(directory)
        sentence = trace_sentence(model, tokenizer, continue_prompt(model, tokenizer, prompt))
        columns[directory.name] = {
            **knows(model, corpus),
            **attends(model, corpus, sentence),
            **chose(model, tokenizer, corpus, sentence, compute),
        }
    names = list(columns)
    print("| | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(columns[name][row] for name in names) + " |")


def knows(model: GPT, corpus: Corpus) -> dict[str, str]:
    """Return the losses, and how much of what it writes is the book's."""
    samples = sample_after(model, corpus.train, SAMPLES, LENGTH, seed=1)
    found = copied(samples, corpus.train, 8)
    return {
        "training loss": f"{mean_loss(model, corpus.train):.3f}",
        "held-out loss": f"{mean_loss(model, corpus.val):.3f}",
        "longest run of the book in 20 samples": f"{found.longest_run} tokens",
        "share of their 8-grams that the book has": f"{found.ngram_share:.0%}",
    }


def attends(model: GPT, corpus: Corpus, sentence: TracedSentence) -> dict[str, str]:
    """Return what attention is worth, on the text it learned, and where the blocks look."""
    whole = mean_loss(model, corpus.train)
    layers = range(model.config.n_layer)
    first = float(losses_without(model, corpus.train, [0], "attn").mean())
    none = float(losses_without(model, corpus.train, list(layers), "attn").mean())
    habits = head_habits(model, corpus.val)
    sharp = habits[(habits["block"] == 1) & (habits["share"] > 0.6)]
    found = {
        "training loss without block 1's attention": f"+{first - whole:.2f}",
        "… without any block's": f"+{none - whole:.2f}",
        "heads of block 1 with over 0.6 on one distance": f"{len(sharp)}",
    }
    for block, name in ((0, "first"), (-1, "last")):
        row = sentence.patterns[block].mean(dim=0)[sentence.sentence.predicting]
        shares = [float(row[a:b].sum()) for a, b in sentence.spans]
        top = max(range(len(shares)), key=shares.__getitem__)
        found[f"{name} block looks most at"] = f"{sentence.words[top]} ({shares[top]:.2f})"
    return found


def chose(
    model: GPT,
    tokenizer: Reader,
    corpus: Corpus,
    sentence: TracedSentence,
    compute: ComputeParams,
) -> dict[str, str]:
    """Return the 11th word, what the book has there, and the words that it was owed to."""
    table = provenance_table(sentence.sentence, corpus.train, tokenizer)
    own = table[table["is_the_choice"] == 1]
    _, worth = judge_sentence(
        model, sentence.case, sentence.words[:10], match_tokens(corpus, tokenizer), compute
    )
    probability = float(sentence.choices.log_probs[0].exp())
    found = {
        "11th and 12th word": " ".join(sentence.words[10:12]),
        "its probability": f"{probability:.3f}",
        "the book after the same tokens": f"{table['next'].iloc[0].strip()} "
        f"({table['count'].iloc[0]} of {table['times'].iloc[0]}, context of "
        f"{table['context_tokens'].iloc[0]})",
        "the choice follows it there": "no" if own.empty else f"{own['count'].iloc[0]} times",
    }
    return found | {
        f"words worth most, {way}": _most(worth, way) for way in ("removed", "replaced")
    }


def _most(worth: pd.DataFrame, way: str) -> str:
    top = worth.sort_values(f"{way}_worth", ascending=False, kind="stable").iloc[:3]
    told = ", ".join(f"{r['text']} {r[f'{way}_worth']:+.2f}" for _, r in top.iterrows())
    return f"{told} (all: {worth[f'{way}_total'].iloc[0]:+.2f} nats)"


if __name__ == "__main__":
    main()
