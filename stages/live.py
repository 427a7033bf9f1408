"""Write the trained model into one page that runs it.

`python -m stages.live DIRECTORY` does so with any GPT-2 as `save_pretrained` writes it, and puts
the page beside its weights: the pipeline's own page stays what it is.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np

from looking_glass.attention.params import AttentionParams
from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint
from looking_glass.gpt.checkpoint_config import CONFIG_FILE, read_config
from looking_glass.pipeline.artifacts import write_text
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.report.live.document import make_apology, make_page, room_for_weights
from looking_glass.report.live.merges import read_merges
from looking_glass.report.live.packing import NoPageError, check_size
from looking_glass.report.params import Colors, ReportParams
from looking_glass.text.corpus import read_corpus
from looking_glass.text.counting import count_tokens
from looking_glass.text.language import TextParams

MODEL, TOKENS, PAGE = Path("data/model"), Path("data/tokens"), Path("reports/looking-glass.html")


def main() -> None:
    """Write `looking-glass.html`; of a model that no page can hold, why that is so.

    A directory that was named is refused in a line instead.
    """
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
    path = PAGE if directory == MODEL else directory / PAGE.name
    colors = load_section(ReportParams, "report").colors
    text = load_section(TextParams, "text")
    prompt = load_section(AttentionParams, "attention").prompts[0]
    try:
        page, told = page_of(directory, prompt, text, colors)
    except NoPageError as error:
        if directory != MODEL:
            raise
        page, told = make_apology(str(error), colors), f"no model in it: {error}"
    write_text(path, page)
    print(f"{path}: {len(page.encode()):,} bytes; {told}")


def page_of(directory: Path, prompt: str, text: TextParams, colors: Colors) -> tuple[str, str]:
    """Return the page and what is to be told of it; raise `NoPageError` when there can be none."""
    config = read_config(directory / CONFIG_FILE)
    check_size(*config.count_weights(), room_for_weights())
    merges = read_merges(directory / VOCAB_FILE, directory / MERGES_FILE)
    model = load_checkpoint(directory)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    met = np.zeros(config.vocab_size, dtype=np.bool_)
    if directory == MODEL:  # another model's text is not known
        corpus = read_corpus(TOKENS)
        for part in (corpus.train, corpus.val):
            met |= count_tokens(part, config.vocab_size) > 0
    texts = {"prompt": prompt, "scored": prompt, "words": text.words, "language": text.language}
    page, packed = make_page(weights, dataclasses.asdict(config), merges, met, texts, colors)
    coarse = f"{packed.coarse} in all but {packed.rows_fine:,} rows of the embedding"
    return page, f"levels: {packed.fine}, and {coarse}"


if __name__ == "__main__":
    run_stage(main)
