"""What the stage writes, held against what is computed again from the vectors, by plain means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.inversion import robustness, run, tables
from looking_glass.inversion.aiming import aim
from looking_glass.inversion.inverted import Inverted
from looking_glass.inversion.neighbours import CLOUD, neighbour_distance, usual_row_cosine
from looking_glass.inversion.params import InvertParams
from looking_glass.inversion.readings import PARALLEL, Reading
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.models import make_model

ALONE = ComputeParams(device="cpu", threads=1, portable=False)
SENTENCE, CONTROL = "a cat sat", "It"
READINGS = [PARALLEL, Reading(1), Reading(3)]
PARAMS = InvertParams.model_validate(
    {
        "sentence": SENTENCE,
        "controls": [CONTROL],
        "random_control": 0,
        "seed": 1,
        "init_noise": 1.0,
        "parallel": {"restarts": 3, "steps": 45, "learning_rate": 0.3},
        "prefix": {
            "restarts": 3,
            "steps": 45,
            "learning_rate": 0.3,
            "objective": "margin",
            "starts": 1,
            "lengths": [1, 3],
        },
        "noise_trials": 8,
        "search": {"steps": 2, "candidates": 4},
    }
)


@dataclass(frozen=True)
class Whole:
    """A run of the room: the model, the sentences, and what was made of them."""

    model: GPT
    tokenizer: Tokenizer
    text: np.ndarray[tuple[int], np.dtype[np.uint16]]
    sentences: list[Inverted]
    saved: dict[Reading, Tensor]
    tables: dict[str, pd.DataFrame]

    @property
    def target(self) -> Tensor:
        """The sentence's tokens: (n,)."""
        return torch.tensor(self.sentences[0].tokens)

    def logits(self, vectors: Tensor, reading: Reading) -> Tensor:
        """Return those of each target token, one restart's vectors (k, C) given: (n, V)."""
        given = vectors if reading.parallel else torch.cat([vectors, self.embed(self.target[:-1])])
        return self.model.forward_embeddings(given[None])[0, -len(self.target) :]

    @property
    def cloud(self) -> list[int]:
        """The tokens whose embeddings are drawn: the most frequent ones, then by number."""
        counts = [self.text.tolist().count(token) for token in range(50_257)]
        return sorted(range(50_257), key=lambda token: (-counts[token], token))[:CLOUD]

    def embed(self, tokens: Tensor) -> Tensor:
        return self.model.transformer.wte.weight[tokens]

    def best(self, reading: Reading) -> int:
        """Return the restart whose loss is lowest."""
        means = [
            self.logits(vectors, reading).log_softmax(-1)[range(len(self.target)), self.target]
            for vectors in self.saved[reading]
        ]
        return int(torch.stack(means).mean(dim=1).argmax())


@pytest.fixture(scope="module")
def whole(tokenizer: Tokenizer) -> Whole:
    torch.manual_seed(0)
    model = make_model(vocab_size=50_257, n_embd=16)
    wanted = run.targets_of(PARAMS, tokenizer, model.config.block_size)
    with torch.no_grad():  # rows so long that they can be the largest
        for row in {token for tokens in wanted.values() for token in tokens}:
            model.lm_head.weight[row] *= 4
    found = run.optimise_all(model, wanted, PARAMS, ALONE)
    saved = {name: {r: one.vectors for r, one in of.items()} for name, of in found.items()}
    sentences = [
        run.assess(model, tokenizer, name, tokens, found[name], saved[name])
        for name, tokens in wanted.items()
    ]
    text = np.array([*wanted["sentence"] * 3, wanted["sentence"][0], 11], dtype=np.uint16)
    made = run.all_tables(model, tokenizer, sentences, text, PARAMS, ALONE)
    return Whole(model, tokenizer, text, sentences, saved["sentence"], made)


def test_each_sentence_and_reading_has_a_row_of_what_was_reached(whole: Whole) -> None:
    table = whole.tables["frontier"]
    assert list(table) == [
        *("sentence", "text", "reading", "vectors", "restarts"),
        *("drawn_loss", "exact_rate", "token_accuracy", "loss", "best_loss"),
        *("smallest_probability", "smallest_gap", "first_exact_step", "lowest_possible_loss"),
    ]
    assert table["sentence"].tolist() == ["sentence"] * 3 + ["control_1"] * 3
    assert table["text"].tolist() == [SENTENCE] * 3 + [CONTROL] * 3
    assert table["reading"].tolist() == ["parallel", "prefix_1", "prefix_3"] * 2
    assert table["vectors"].tolist() == [3, 1, 3, 1, 1, 3]
    assert (table["restarts"] == 3).all()
    assert (table["best_loss"] <= table["loss"]).all()
    # Of prefixes the margin is raised, whatever becomes of the loss.
    parallel = table[table["reading"] == "parallel"]
    assert (parallel["loss"] < parallel["drawn_loss"]).all()
    assert (table["loss"] >= table["lowest_possible_loss"] - 1e-4).all()
    for row, reading in zip(table.to_dict("records"), READINGS, strict=False):
        best = whole.logits(whole.saved[reading][whole.best(reading)], reading)
        nats = best.log_softmax(-1)[range(3), whole.target]
        assert row["best_loss"] == pytest.approx(-float(nats.mean()), abs=1e-4)


def test_the_steps_are_told_by_token_and_by_what_the_best_restart_said(whole: Whole) -> None:
    found = whole.sentences[0].found
    pieces = whole.tokenizer.decode_each(whole.target.tolist())
    steps = whole.tables["steps"]
    assert list(steps) == ["step", "position", "text", "log_prob"]
    assert len(steps) == 3 * len(found[PARALLEL].steps)
    n = len(found[PARALLEL].steps)
    assert steps["step"].tolist() == found[PARALLEL].steps.repeat_interleave(3).tolist()
    assert steps["position"].tolist() == [0, 1, 2] * n
    assert steps["text"].tolist() == pieces * n
    means = [float(row.mean()) for check in found[PARALLEL].log_probs for row in check.t()]
    assert steps["log_prob"].tolist() == pytest.approx(means, abs=1e-6)
    told = whole.tables["appearance"]
    assert list(told) == ["reading", "step", "position", "said", "right", "log_prob"]
    assert list(told["reading"].unique()) == ["parallel", "prefix_1", "prefix_3"]
    for reading in READINGS:
        own, best = told[told["reading"] == reading.name], whole.best(reading)
        assert own["position"].tolist() == [0, 1, 2] * len(found[reading].steps)
        assert own["step"].tolist() == found[reading].steps.repeat_interleave(3).tolist()
        last = whole.logits(whole.saved[reading][best], reading)
        assert own["said"].tolist()[-3:] == whole.tokenizer.decode_each(
            last.argmax(dim=-1).tolist()
        )
        assert own["right"].tolist()[-3:] == (last.argmax(dim=-1) == whole.target).int().tolist()
        nats = last.log_softmax(-1)[range(3), whole.target]
        assert own["log_prob"].tolist()[-3:] == pytest.approx(nats.tolist(), abs=1e-4)


def test_every_restart_is_told_with_what_the_model_said(whole: Whole) -> None:
    table = whole.tables["restarts"]
    assert list(table) == [
        *("reading", "restart", "exact", "loss", "smallest_gap", "first_exact_step", "said")
    ]
    assert table["reading"].tolist() == [r.name for r in READINGS for _ in range(3)]
    assert table["restart"].tolist() == [0, 1, 2] * 3
    assert table["exact"].tolist() == (table["said"] == SENTENCE).astype(int).tolist()
    assert table["exact"].sum() > 0
    for row, vectors in zip(table.to_dict("records"), whole.saved[PARALLEL], strict=False):
        logits = whole.logits(vectors, PARALLEL)
        own = logits[range(3), whole.target]
        others = logits.scatter(1, whole.target[:, None], -torch.inf).amax(dim=1)
        nats = logits.log_softmax(-1)[range(3), whole.target]
        assert row["loss"] == pytest.approx(-float(nats.mean()), abs=1e-4)
        assert row["smallest_gap"] == pytest.approx(float((own - others).min()), abs=1e-3)
        assert (row["first_exact_step"] >= 0) >= row["exact"]


def test_target_tokens_are_told_with_what_stands_in_their_way(whole: Whole) -> None:
    table = whole.tables["tokens"]
    first = table[table["sentence"] == "sentence"]
    assert table["sentence"].tolist() == ["sentence"] * 3 + ["control_1"]
    assert first["position"].tolist() == [0, 1, 2]
    assert first["token"].tolist() == whole.target.tolist()
    assert first["text"].tolist() == whole.tokenizer.decode_each(whole.target.tolist())
    assert first["count"].tolist() == [4, 3, 3]
    rows = whole.model.lm_head.weight
    assert first["output_row_norm"].tolist() == pytest.approx(
        rows[whole.target].norm(dim=1).tolist()
    )
    cosines = (
        torch.nn.functional.normalize(rows, dim=1)
        @ torch.nn.functional.normalize(rows[whole.target], dim=1).t()
    )
    cosines[whole.target, range(3)] = -1
    assert first["nearest_row_cosine"].tolist() == pytest.approx(
        cosines.amax(dim=0).tolist(), abs=1e-5
    )
    assert first["nearest_row"].tolist() == whole.tokenizer.decode_alone(
        cosines.argmax(dim=0).tolist()
    )
    assert first["usual_row_cosine"].unique() == pytest.approx([usual_row_cosine(whole.model)])
    limit = whole.sentences[0].ceilings
    assert first["ceiling"].tolist() == pytest.approx(limit.upper.exp().tolist())
    assert first["ceiling_lower"].tolist() == limit.lower.tolist()
    assert first["ceiling_upper"].tolist() == limit.upper.tolist()
    assert set(first["can_be_argmax"]) <= {"yes", "no", "not decided"}
    assert "yes" in set(first["can_be_argmax"])
    own = whole.model(whole.target[None])[0, :-1]
    after = own.softmax(-1)[range(2), whole.target[1:]]
    assert np.isnan(first["unaided"].iloc[0])
    assert first["unaided"].tolist()[1:] == pytest.approx(after.tolist(), rel=1e-4)
    ranks = (own > own[range(2), whole.target[1:]][:, None]).sum(dim=1) + 1
    assert first["unaided_rank"].tolist()[1:] == ranks.tolist()
    assert table["unaided"].isna().tolist() == [True, False, False, True]
    for reading in READINGS:
        best = whole.best(reading)
        reached = whole.logits(whole.saved[reading][best], reading).softmax(-1)
        assert first[reading.name].tolist() == pytest.approx(
            reached[range(3), whole.target].tolist(), abs=1e-4
        )
        steps = whole.sentences[0].found[reading].first_right_step[best]
        assert first[f"{reading.name}_step"].tolist() == steps.tolist()


def test_vectors_are_told_with_the_tokens_that_lie_nearest(whole: Whole) -> None:
    table, embeddings = whole.tables["words"], whole.model.transformer.wte.weight
    scale = neighbour_distance(whole.model, torch.tensor(whole.cloud))
    assert table["reading"].tolist() == ["parallel"] * 3 + ["prefix_1"] + ["prefix_3"] * 3
    assert table["vector"].tolist() == [0, 1, 2, 0, 0, 1, 2]
    row = iter(table.to_dict("records"))
    for reading in READINGS:
        best = whole.best(reading)
        drawn = whole.sentences[0].found[reading].drawn[best]
        for vector, start in zip(whole.saved[reading][best], drawn, strict=True):
            told = next(row)
            near, before = (torch.cdist(one[None], embeddings)[0] for one in (vector, start))
            assert told["norm"] == pytest.approx(float(vector.norm()), rel=1e-5)
            assert told["distance"] == pytest.approx(float(near.min()) / scale, rel=1e-3)
            assert told["drawn_distance"] == pytest.approx(float(before.min()) / scale, rel=1e-3)
            names = [column for column in table if str(column).startswith("nearest_")]
            closest = near.topk(len(names), largest=False).indices.tolist()
            assert [told[name] for name in names] == whole.tokenizer.decode_alone(closest)
            assert [told["drawn_nearest"]] == whole.tokenizer.decode_alone([int(before.argmin())])
    kinds = whole.tables["map"]["kind"].value_counts().to_dict()
    assert kinds == {"embedding": CLOUD, "target": 3, "parallel": 3, "prefix_1": 1, "prefix_3": 3}


def test_real_tokens_are_fed_and_what_they_make_the_model_say_is_told(whole: Whole) -> None:
    table = whole.tables["replies"]
    assert list(table) == [
        *("reading", "source", "fed", "ids", "read_as_such", "said", "correct", "loss")
    ]
    assert table["reading"].tolist() == ["parallel"] * 3 + ["prefix_3"] * 3
    assert table["source"].tolist() == ["nearest", "searched", "drawn"] * 2
    embeddings = whole.model.transformer.wte.weight
    for row in table.to_dict("records"):
        reading = next(one for one in READINGS if one.name == row["reading"])
        ids = torch.tensor([int(word) for word in row["ids"].split()])
        assert row["fed"] == whole.tokenizer.decode(ids.tolist())
        logits = whole.logits(embeddings[ids], reading)
        nats = logits.log_softmax(-1)[range(3), whole.target]
        assert row["loss"] == pytest.approx(-float(nats.mean()), abs=1e-4)
        if reading.parallel:
            assert row["said"] == whole.tokenizer.decode(logits.argmax(-1).tolist())
            assert row["correct"] == int((logits.argmax(-1) == whole.target).sum())
        if row["source"] == "nearest":
            distances = torch.cdist(whole.saved[reading][whole.best(reading)], embeddings)
            assert ids.tolist() == distances.argmin(dim=1).tolist()
    losses = table.set_index(["reading", "source"])["loss"]
    for name in ("parallel", "prefix_3"):
        assert losses[name, "searched"] <= losses[name, "nearest"]


def test_the_ceiling_is_told_with_what_vectors_aimed_at_it_reach(whole: Whole) -> None:
    sentence = whole.sentences[0]
    told, limit = run.ceiling_of(whole.model, sentence), sentence.ceilings
    aimed = aim(whole.model, limit.points)
    logits = whole.logits(aimed.vectors[0], PARALLEL)
    nats = logits.log_softmax(-1)[range(3), whole.target]
    can = limit.can_be_argmax
    assert told == {
        "lowest_possible_loss": pytest.approx(-float(limit.upper.mean())),
        "largest_gap_between_bounds": pytest.approx(float((limit.upper - limit.lower).max())),
        "best_states_loss": pytest.approx(-float(limit.lower.mean())),
        "best_states_inside": aimed.inside,
        "inside_solved": aimed.solved,
        "aimed_loss": pytest.approx(-float(nats.mean()), abs=1e-4),
        "aimed_right": int((logits.argmax(-1) == whole.target).sum()),
        "tokens_that_can_be_argmax": sum(one is True for one in can),
        "tokens_that_cannot_be_argmax": sum(one is False for one in can),
    }


def test_exact_readings_are_told_with_how_much_they_bear(whole: Whole) -> None:
    sentence = whole.sentences[0]
    reached = run.reached_by(whole.model, sentence, whole.saved, PARAMS, ALONE)
    assert [reading.name for reading in reached] == ["parallel", "prefix_1", "prefix_3"]
    for reading, found in reached.items():
        assert ("noise_radius" in found) == (found["exact_rate"] > 0), reading
    verdict, vectors = sentence.verdicts[PARALLEL], whole.saved[PARALLEL]
    assert (
        reached[PARALLEL] | tables.summary(sentence.found[PARALLEL], verdict) == reached[PARALLEL]
    )
    exact = vectors[verdict.exact]
    for name, survives in (
        ("exact_in_float64", robustness.survives_float64),
        ("exact_in_bfloat16", robustness.survives_bfloat16),
    ):
        kept = survives(whole.model, exact, whole.target, parallel=True)
        assert reached[PARALLEL][name] == pytest.approx(float(kept.float().mean()))
    best = max(
        range(len(vectors)),
        key=lambda i: (bool(verdict.exact[i]), float(verdict.log_probs[i].mean())),
    )
    assert reached[PARALLEL]["noise_radius"] == robustness.noise_radius(
        whole.model,
        vectors[best],
        whole.target,
        parallel=True,
        trials=8,
        generator=torch.Generator().manual_seed(1),
    )
    table = tables.reading_table(reached)
    assert table["reading"].tolist() == ["parallel", "prefix_1", "prefix_3"]
    assert table["loss"].tolist() == [found["loss"] for found in reached.values()]
    assert str(table["first_exact_step"].dtype) == "Int64"
