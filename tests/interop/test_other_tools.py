"""Tools that open a GPT-2 directory say of it what our own code says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from looking_glass.attention.attribution import direct, logit_of, parts_of
from looking_glass.attention.patterns import trace
from looking_glass.gpt.model import GPT
from looking_glass.likelihood.scores import score, word_starters, word_surprisals
from looking_glass.text.corpus import read_corpus
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.text.words import Word
from tests.helpers.interop import BUILT, SENTENCE, page
from tests.helpers.project import ROOT

# Others' code is not ours to warn about.
pytestmark = pytest.mark.filterwarnings("ignore")
Run = Callable[[str], dict[str, Any]]
Agrees = Callable[[str, Any, Any], None]
Costs = Callable[[str, float], None]


def log_probs(model: GPT, tokens: list[int]) -> Tensor:
    """Return the log-probability of each of N tokens but the first, (N - 1,)."""
    ids = torch.tensor([tokens])
    logits: Tensor = model(ids[:, :-1])[0]  # (N - 1, V)
    return logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]


def patterns_of(model: GPT, ids: Tensor) -> Tensor:
    """Return all patterns: (L, nh, T, T)."""
    return torch.cat(trace(model, model.embed(ids)).patterns)


def test_transformers(
    run: Run, agrees: Agrees, ours: GPT, encoder: Tokenizer, ids: Tensor, logits: Tensor
) -> None:
    names = run("transformers")
    assert names["batch"]["input_ids"].tolist() == ids.tolist()
    agrees("logits, transformers", names["result"].logits, logits)
    agrees("patterns, transformers", torch.cat(names["result"].attentions), patterns_of(ours, ids))
    assert names["short"].startswith(SENTENCE[:50])
    (written,) = names["writer"](SENTENCE, return_tensors=True)
    assert len(written["generated_token_ids"]) == 64
    assert names["sampled"].startswith("Alice was")
    assert names["longer"].startswith(names["story"])
    assert len(encoder.encode(names["text"])) > 100
    assert names["together"] == names["alone"]
    assert names["cut"] == encoder.encode(names["story"])[-64:]
    with pytest.raises(ValueError, match="Input length of input_ids is"):
        names["writer"](names["story"])
    with pytest.raises(IndexError, match="index out of range in self"):
        names["writer"]("Alice was", max_new_tokens=100)


def test_transformerlens(
    run: Run, agrees: Agrees, costs: Costs, ours: GPT, ids: Tensor, logits: Tensor
) -> None:
    names = run("TransformerLens")
    assert names["tokens"].tolist() == ids.tolist()
    agrees("logits, TransformerLens", names["logits"], logits)
    agrees("patterns, TransformerLens", torch.cat(names["patterns"]), patterns_of(ours, ids))
    assert names["with_a_token_more"].shape[1] == ids.shape[1] + 1
    after = names["with_a_token_more"][0, 1:-1].log_softmax(-1)
    moved = after.gather(1, ids[0, 1:, None])[:, 0] - log_probs(ours, ids[0].tolist())
    costs("a token put before the text", float(moved.abs().max()))
    found = parts_of(ours, ids[0])
    towards = logit_of(ours, int(names["chosen"])) - ours.lm_head.weight.mean(dim=0)
    parts = direct(ours, found, found.values, towards)
    heads = torch.tensor(["head" in name for name in found.names])
    agrees("what each head adds to a logit", names["parts"], parts[heads])
    names["bridge"] = names["TransformerBridge"].boot_transformers("data/model", device="cpu")
    names["bridge"].enable_compatibility_mode()
    _, folded = names["bridge"].run_with_cache(ids)
    results = folded.stack_head_results(layer=-1, pos_slice=-1, apply_ln=True)
    others = results[:, 0] @ names["bridge"].W_U[:, names["chosen"]]
    assert float((others - parts[heads]).abs().max()) > 1e-3, "value biases are the block's then"


def test_bertviz(run: Run, agrees: Agrees, ours: GPT, ids: Tensor) -> None:
    drawn = re.findall(r'"attn": (\[.*?\]\]\]\])', run("BertViz")["view"].data)
    assert drawn
    for pattern in drawn:
        agrees("patterns, BertViz", torch.tensor(json.loads(pattern)), patterns_of(ours, ids))


def test_inseq(run: Run, agrees: Agrees, ours: GPT, ids: Tensor) -> None:
    theirs = run("inseq")["attention"]  # (T, generated, L, nh)
    first = ids.shape[1] - theirs.shape[1]
    rows = patterns_of(ours, ids).permute(3, 2, 0, 1)[:, first - 1 : -1]  # of the token before each
    agrees("attention, inseq", theirs.nan_to_num()[: ids.shape[1]], rows)


def word_spans(encoder: Tokenizer, text: str) -> list[Word]:
    """Return the words of a text that begins with a space, as spans of its tokens."""
    spans: list[list[int]] = []
    for index, piece in enumerate(encoder.pieces(encoder.encode(text))):
        if piece.startswith(b" "):
            spans.append([index, index])
        spans[-1][1] = index + 1
    return [Word(text="", start=start, stop=stop) for start, stop in spans]


def corrected(
    ours: GPT, encoder: Tokenizer, text: str, *, spaces_alone: bool = False
) -> list[float]:
    """Return the surprisal of each word of a text that begins with a space and follows Alice.

    As minicons, it takes for sure that a word begins after "Alice".
    """
    pieces = encoder.token_bytes()
    begins = word_starters(pieces, None)
    if spaces_alone:
        begins = torch.tensor([piece.startswith(b" ") for piece in pieces])
    context, tokens = encoder.encode("Alice"), encoder.encode(text)
    scores = score(ours, context, tokens, stride=32, begins_word=begins)
    return word_surprisals(scores, word_spans(encoder, text), after_space=True).corrected


def test_minicons(
    run: Run, agrees: Agrees, costs: Costs, ours: GPT, encoder: Tokenizer, ids: Tensor
) -> None:
    names = run("minicons")
    own = log_probs(ours, ids[0].tolist())
    agrees(
        "log-probabilities of tokens, minicons", [value for _, value in names["tokens"][1:]], own
    )
    prompt, squirrel = encoder.encode_prompt("\n\n"), names["squirrel"]
    whole = log_probs(ours, encoder.encode("\n\n" + squirrel))
    sentence = whole[len(prompt) - 1 :]
    assert names["theirs"] == pytest.approx(float(whole.sum()), abs=1e-3)
    costs("a line break counted with the sentence", float((sentence.sum() - names["theirs"]).abs()))
    # "a" is given what belongs to "I", two tokens before it, all after <|endoftext|>.
    tokens = [encoder.vocab_size - 1, *encoder.encode("\n\n" + squirrel)]
    after = log_probs(ours, tokens)
    for word in range(5):  # each of one token
        assert names["shifted"][word][1] == pytest.approx(float(after[word]), abs=1e-3)
    agrees(
        "corrected surprisals of words",
        [value for _, value in names["right"]],
        corrected(ours, encoder, f" {squirrel}", spaces_alone=True),
    )
    right = corrected(ours, encoder, " sat by her sister on the bank.'")
    costs("a last word, after which a line break is likely", abs(names["last"][-1][1] - right[-1]))


def numbers(one: Any) -> Tensor:
    """Return the surprisal of each token but the first, (N - 1,)."""
    return torch.tensor([float(value) for value in one.surprisals[1:]])


def test_surprisal(
    run: Run, agrees: Agrees, costs: Costs, ours: GPT, encoder: Tokenizer, ids: Tensor
) -> None:
    names = run("surprisal")
    own = -log_probs(ours, ids[0].tolist())
    agrees("surprisals of tokens, surprisal", numbers(names["plain"]), own)
    after = -log_probs(ours, [encoder.vocab_size - 1, *ids[0].tolist()])[1:]
    theirs = numbers(names["other"])
    assert float((theirs - after).abs().max()) < 1e-3
    costs("a token put before the text, surprisal", float((theirs - own).abs().max()))


def test_lm_eval(run: Run, agrees: Agrees, costs: Costs, ours: GPT, encoder: Tokenizer) -> None:
    text = "\n\n".join([f"{SENTENCE}, and {n} more." for n in range(110)])
    tokens = [encoder.vocab_size - 1, *encoder.encode(text)]
    blocks = [tokens[start : start + 65] for start in range(0, len(tokens) - 1, 64)]
    # The last block is as long as the others: it looks back further.
    rest = len(blocks[-1]) - 1
    blocks[-1] = tokens[-65:]
    own = [log_probs(ours, block) for block in blocks]
    own[-1] = own[-1][-rest:]
    n = len(tokens) - 1
    rolling = run("lm-eval")["rolling"]
    own_mean = float(torch.cat(own).sum()) / n
    agrees("nats per token over 2,000 tokens, lm-eval", rolling(text) / n, own_mean)
    if BUILT.exists():
        held_out = encoder.decode(read_corpus(ROOT / "data/tokens").val.tolist())
        bits = -rolling(held_out) / math.log(2) / len(held_out.encode())
        told = json.loads((ROOT / "metrics/evaluate.json").read_text())["val_bits_per_byte"]
        costs("the held-out text: its bits a byte, less `val_bits_per_byte`", bits - told)


def test_nnsight(run: Run, agrees: Agrees, ours: GPT, ids: Tensor, logits: Tensor) -> None:
    names = run("nnsight")
    agrees("logits, nnsight", names["logits"], logits)
    assert names["first"].shape == (*ids.shape, ours.config.n_embd)
    block = ours.transformer.blocks[1].attn.c_proj
    hook = block.register_forward_hook(lambda _, __, output: torch.zeros_like(output))
    without = ours(ids)
    hook.remove()
    agrees("logits without a block's attention, nnsight", names["without"], without)
    assert float((without - logits).abs().max()) > 1e-2


def test_nanogcg(run: Run, agrees: Agrees, ours: GPT, encoder: Tokenizer) -> None:
    found = run("nanogcg")["found"]
    target = encoder.encode(" said the Queen")
    tokens = encoder.encode("Once upon a time" + found.best_string) + target
    own = -log_probs(ours, tokens)[-len(target) :].mean()
    agrees("loss of the found text, nanogcg", found.best_loss, own)


def test_onnx_runtime(run: Run, agrees: Agrees, ours: GPT, ids: Tensor) -> None:
    logits_of = run("ONNX Runtime")["logits_of"]
    full = ids.repeat(1, 5)[:, :64]
    texts = [ids[:, :7], ids, full]
    pairs = [(torch.tensor(logits_of(tokens)), ours(tokens)) for tokens in texts]
    theirs, own = (torch.cat([pair[i].flatten() for pair in pairs]) for i in (0, 1))
    agrees("logits of up to 64 tokens, ONNX Runtime", theirs, own)


@pytest.mark.xfail(raises=ValueError, reason="inseq does not find transformers' variable")
def test_inseqs_value_zeroing(place: Path) -> None:
    import inseq

    model = inseq.load_model(str(place / "data/model"), "value_zeroing")
    model.attribute("Alice was", "Alice was beginning", show_progress=False)


@pytest.mark.xfail(raises=ModuleNotFoundError, reason="nnterp imports what nnsight 0.8 lacks")
def test_nnterp() -> None:
    import nnterp  # noqa: F401


@pytest.mark.xfail(raises=TypeError, reason="nanogcg expects the cache of transformers 4")
def test_nanogcgs_prefix_cache(place: Path) -> None:
    from nanogcg import GCGConfig, run
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(place / "data/model")
    tokenizer = AutoTokenizer.from_pretrained(place / "data/model")
    config = GCGConfig(num_steps=1, search_width=4, topk=4, optim_str_init="x", verbosity="ERROR")
    run(model, tokenizer, "Once", " upon", config)


def test_the_page_tells_the_versions_that_are_locked() -> None:
    text = (ROOT / "requirements-interop.txt").read_text("utf-8")
    lock = dict(re.findall(r"^([a-z][a-z0-9-]*)==(\S+)", text, re.MULTILINE))
    packages = {"onnx-runtime": "onnxruntime", "transformerlens": "transformer-lens"}
    rows = re.findall(r"^\| ([\w -]+) \| (\d[\w.]*) \|", page(), re.MULTILINE)
    assert len(rows) == 15
    for tool, version in rows:
        name = tool.lower().replace(" ", "-")
        assert lock[packages.get(name, name)] == version, tool
