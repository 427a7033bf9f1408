"""A page of any GPT-2 directory: it computes what that model does, or is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import run_stage
from looking_glass.report.live import scripts
from stages import live
from tests.helpers.models import make_model
from tests.helpers.node import evaluated
from tests.helpers.project import ROOT, main_of

HERE = Path(scripts.__file__).parent
TOKENS = [464, 3797, 2497, 257, 10211]
# The page without a page: what its worker does with the text of its elements.
LOGITS = """
import {{ bytesOf, inflate, tensorsOf }} from "{here}/unpack.js";
import {{ Model }} from "{here}/model.js";
import {{ readFileSync }} from "node:fs";
const page = readFileSync("{page}", "utf8");
const textOf = (id) => page.split(`id="${{id}}">`)[1].split("</script>")[0];
const {{ head, config }} = JSON.parse(textOf("about"));
const model = new Model(config, tensorsOf(head, await inflate(bytesOf(textOf("weights")))));
console.log(JSON.stringify([...model.lastLogits(model.run({tokens}))]));
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with the parameters alone: nothing was run here."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(directory: Path, model: GPT, tables: tuple[Path, Path]) -> Path:
    save_checkpoint(directory, model.state_dict(), model.config, vocab=tables[0], merges=tables[1])
    return directory


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_from_elsewhere_computes_in_its_page_as_in_python(
    root: Path, tables: tuple[Path, Path], tied: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    model = make_model(vocab_size=50_257, n_embd=6, n_head=3, tie_weights=tied)
    directory = saved(root / "other", model, tables)
    main_of(live, str(directory))()
    page = directory / "looking-glass.html"
    assert str(page) in capsys.readouterr().out
    assert not (root / "reports").exists(), "the pipeline's own page is left alone"
    code = LOGITS.format(here=HERE, page=page, tokens=TOKENS)
    found = np.array(json.loads(evaluated(code)), np.float32)
    expected = model(torch.tensor([TOKENS]))[0, -1].numpy()
    assert found.argmax() == expected.argmax()
    np.testing.assert_allclose(found, expected, atol=0.01)


def refused(directory: Path) -> str:
    with pytest.raises(SystemExit) as ended:
        run_stage(main_of(live, str(directory)))
    assert not (directory / "looking-glass.html").exists()
    told = str(ended.value.code)  # a text: it is printed, and the status is 1
    assert "\n" not in told
    return told


def test_gpt2_itself_is_refused_with_its_size_before_its_weights_are_read(
    root: Path,
) -> None:
    shape = {"vocab_size": 50_257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}
    (root / "gpt2").mkdir()
    (root / "gpt2/config.json").write_text(json.dumps({"model_type": "gpt2", **shape}))
    told = refused(root / "gpt2")
    assert "at most 14,350,000 bytes of page are required" in told
    assert "38,597,376 numbers in embeddings and 85,721,088 in blocks would take 115," in told


def test_what_is_no_gpt2_or_has_no_tables_is_refused(root: Path, tables: tuple[Path, Path]) -> None:
    assert "config.json" in refused(root / "nothing")
    directory = saved(root / "other", make_model(vocab_size=50_257), tables)
    (directory / "merges.txt").unlink()
    assert "merges.txt: GPT-2's tables are required" in refused(directory)
