"""Score sentences, one a line, or pairs of them; CSV comes out. No stage of the DAG.

    python -m stages.score FILE                 a row per line, on standard output
    python -m stages.score FILE --words         a row per word
    python -m stages.score FILE --pairs         two sentences a line, a tab between them
    ... | python -m stages.score - --out scores.csv

Each is read as it goes on after `logprob.prompt`. docs/scoring.md says what the columns are.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from looking_glass.baselines.kneser_ney import trigram_of
from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.likelihood.params import LogprobParams
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.scoring.files import open_lines, open_table
from looking_glass.scoring.run import Form, score_stream
from looking_glass.scoring.scored import Baseline, LineScorer
from looking_glass.text.corpus import read_corpus
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader

MODEL, TOKENS = Path("data/model"), Path("data/tokens")


def main() -> None:
    """Write a row for each line, word or pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", help="sentences, one a line, in UTF-8; - for standard input")
    parser.add_argument("--words", action="store_true", help="a row per word")
    parser.add_argument("--pairs", action="store_true", help="two sentences a line, better first")
    parser.add_argument("--model", type=Path, default=MODEL, help="another GPT-2's directory")
    parser.add_argument("--out", type=Path, help="where to write; standard output without")
    given = parser.parse_args()
    if given.words and given.pairs:
        parser.error("one of --words and --pairs, not both")
    params, text = load_section(LogprobParams, "logprob"), load_section(TextParams, "text")
    compute = load_section(ComputeParams, "compute")
    model = load_checkpoint(given.model, prepare(compute))
    tokenizer = Reader(given.model / VOCAB_FILE, given.model / MERGES_FILE, text)
    trigram = trigram_for(tokenizer, given.model)
    scorer = LineScorer(
        model, tokenizer, params.context, compute, stride=params.stride, trigram=trigram
    )
    with open_lines(given.file) as stream, open_table(given.out) as table:
        rows = score_stream(scorer, stream, Form(words=given.words, pairs=given.pairs))
        csv.writer(table, lineterminator="\n").writerows(rows)


def trigram_for(tokenizer: Reader, directory: Path) -> Baseline | None:
    """Return the trigram of the training text; None when another model has another encoder."""
    if directory != MODEL and not TOKENS.exists():
        return None
    corpus = read_corpus(TOKENS)
    same = corpus.vocab_size == tokenizer.vocab_size
    return trigram_of(corpus).losses_after if same else None


if __name__ == "__main__":
    run_stage(main)
