"""`python -m stages.score`: what it says of a sentence is what the stage `logprob` says of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from looking_glass.pipeline.artifacts import read_csv
from looking_glass.pipeline.errors import run_stage
from stages import logprob, score
from tests.helpers.project import edit, main_of

# The last is longer than the block of 64 tokens.
SENTENCES = ["The cat saw a mouse by the river.", "It was late; 'Oh dear!'", "a b " * 40 + "end"]


def scores(copy: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    capsys.readouterr()
    main_of(score, *words)()
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_its_scores_are_those_of_the_stage_logprob(
    copy: Path, read_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(copy, logprob__sentences=SENTENCES, logprob__compare=[], logprob__samples=2)
    (copy / "lines.txt").write_text("\n".join(SENTENCES))
    main_of(logprob)()
    table = read_csv(copy / "data/tables/logprob/sentences.csv").set_index("sentence")
    words = read_csv(copy / "data/tables/logprob/words.csv")
    by_word = scores(copy, capsys, "lines.txt", "--words")
    for number, row in enumerate(scores(copy, capsys, "lines.txt"), start=1):
        theirs = table.loc[f"yours {number}"]
        assert (int(row["tokens"]), int(row["words"])) == (theirs["tokens"], theirs["words"])
        for name in ("nats", "corrected_nats"):  # tables are written to five digits
            assert f"{float(row[name]):.5g}" == f"{theirs[name]:.5g}"
        own = words[words["sentence"] == f"yours {number}"]
        mine = [found for found in by_word if found["line"] == str(number)]
        assert [found["text"] for found in mine] == own["text"].tolist()
        for name in ("surprisal", "corrected"):
            said = [float(found[name]) for found in mine]
            assert said == pytest.approx(own[name].tolist(), rel=6e-5, abs=2e-5)
        assert float(row["trigram_nats"]) == pytest.approx(
            -sum(float(found["trigram"]) for found in mine), abs=1e-3
        )


def test_pairs_into_a_file_from_another_directory_and_what_is_refused(
    copy: Path, read_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "data/model").rename(copy / "moved")
    (copy / "pairs.txt").write_text("The cat saw a mouse.\tMouse a saw cat the.\n" * 3)
    main_of(score, "pairs.txt", "--pairs", "--model", "moved", "--out", "out/pairs.csv")()
    told = capsys.readouterr()
    assert told.out == ""
    assert "accuracy 1.000 (0.438 to 1.000 with 95 % confidence) of 3 pairs" in told.err
    assert (copy / "out/pairs.csv").read_text().count("\n") == 4
    with pytest.raises(SystemExit) as exit_:
        run_stage(main_of(score, "nothing.txt", "--model", "moved"))
    assert str(exit_.value.code).startswith("error: nothing.txt: a file of sentences")
