"""Train beside the peers, in alternation within one run; print tokens/s, ratios and share of peak.

    python -m benchmarks.training                     speed
    python -m benchmarks.training --profile           and what a step of ours is spent on
    python -m benchmarks.training --time-to 5.2       and training time to this validation loss
    python -m benchmarks.training --seeds 1 2 3       and the final loss, either end held out
    python -m benchmarks.training --seeds 1 2 3 --init scratch    the same from another start

Ours is what `dvc repro train` runs, on data/tokens and with params.yaml's sections. The peers are
Hugging Face's GPT-2 with AdamW in a plain loop, and minGPT's own Trainer where a package `mingpt`
can be imported. All have the same shape and batch. A time is worth what it says beside the others
of the same run: the machine is not ours alone. Evaluation is left out of every time.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.loss import mean_loss
from looking_glass.pipeline.artifacts import read_csv, write_csv
from looking_glass.pipeline.compute import ComputeParams, prepare
from looking_glass.pipeline.params import load_all, load_section
from looking_glass.report.measured import settings_key
from looking_glass.text.corpus import Corpus, read_corpus
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training.batches import Batches
from looking_glass.training.begin import begin
from looking_glass.training.params import TrainParams
from looking_glass.training.training import Training

HERE = Path(__file__).parent
os.environ["HF_HUB_OFFLINE"] = "1"
Logits = Callable[[Tensor], Tensor]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=6, help="0: leave out the speeds")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each, a round")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--time-to", type=float, help="validation loss in nats/token")
    parser.add_argument("--patience", type=float, default=15, help="times our own time to it")
    parser.add_argument("--seeds", type=int, nargs="*", default=[])
    parser.add_argument("--held-out", nargs="*", default=["first", "last"], help="for --seeds")
    parser.add_argument("--init", help="for --seeds: another model.init")
    arguments = parser.parse_args()

    prepare(load_section(ComputeParams, "compute"))
    bench = Bench()
    if arguments.rounds:
        bench.speed(arguments.rounds, arguments.steps)
    if arguments.profile:
        bench.profile(arguments.steps)
    if arguments.time_to is not None:
        bench.time_to(arguments.time_to, arguments.patience)
    if arguments.seeds:
        bench.final_losses(arguments.seeds, arguments.held_out, arguments.init)


def sgemm_peak(n: int = 2048, repeats: int = 5) -> float:
    """Return the best measured FLOP/s of a square float32 matrix product."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * n**3 / min(times)


class Blocks(Dataset[tuple[Tensor, Tensor]]):
    """Every block of a text with its targets, item by item, as minGPT's Trainer wants them."""

    def __init__(self, tokens: np.ndarray[Any, Any], block_size: int) -> None:
        self.tokens, self.block_size = torch.from_numpy(tokens.astype(np.int64)), block_size

    def __len__(self) -> int:
        return len(self.tokens) - self.block_size

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        block = self.tokens[index : index + self.block_size + 1]
        return block[:-1], block[1:]


class Bench:
    """The contenders, each built anew from the same corpus and sections."""

    def __init__(self) -> None:
        self.corpus: Corpus = read_corpus(Path("data/tokens"))
        tables = Path("data/encoder.json"), Path("data/vocab.bpe")
        self.token_bytes = Tokenizer(*tables).token_bytes()
        self.shape = load_section(ModelParams, "model")
        self.params = load_section(TrainParams, "train")
        self.config = self.shape.config(self.corpus.vocab_size)
        self.tokens_per_step = self.params.batch_size * self.config.block_size
        try:
            self.mingpt: Any = importlib.import_module("mingpt.model").GPT
            self.trainer: Any = importlib.import_module("mingpt.trainer").Trainer
        except ImportError:
            self.mingpt = self.trainer = None
            print("minGPT: no package mingpt can be imported, so it is not measured")

    def ours(self, softmax: str | None = None, **changes: object) -> Training:
        """Return a run of ours, at its start."""
        update = {**changes, **({"softmax": softmax} if softmax else {})}
        params = self.params.model_copy(update=update)
        return begin(self.shape, params, self.corpus, self.token_bytes)

    def huggingface(self) -> Callable[[], None]:
        """Return a function that makes one step of Hugging Face's GPT-2 in a plain loop."""
        from transformers import GPT2Config, GPT2LMHeadModel

        config = self.config
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=config.vocab_size,
                n_positions=config.block_size,
                n_embd=config.n_embd,
                n_layer=config.n_layer,
                n_head=config.n_head,
            )
        ).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
        size = config.block_size
        batches = Batches(
            self.corpus.train, block_size=size, batch_size=self.params.batch_size, seed=0
        )

        def step() -> None:
            tokens, targets = batches.draw()
            logits = model(tokens).logits
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        return step

    def mingpt_trainer(self, **changes: object) -> Any:
        """Return minGPT's Trainer with its defaults, but for `changes`, on its model."""
        settings = self.mingpt.get_default_config()
        settings.model_type = None
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            setattr(settings, name, getattr(self.config, name))
        trainer = self.trainer.get_default_config()
        for name, value in changes.items():
            setattr(trainer, name, value)
        data = Blocks(self.corpus.train, self.config.block_size)
        return self.trainer(trainer, self.mingpt(settings), data)

    def contender(self, name: str, steps: int) -> tuple[int, Callable[[], float]]:
        """Return how many rows its output layer has, and what trains it and returns the seconds."""
        if name == "minGPT":
            return self.config.vocab_size, lambda: self._time_mingpt(steps)
        if name == "Hugging Face":
            step = self.huggingface()
            return self.config.vocab_size, lambda: timed(step, steps)
        run = self.ours(name.removeprefix("ours, "))
        rows = len(run.outputs(run.batches.draw()[1]).weights)  # of a batch like any other
        return rows, lambda: timed(run.step, steps)

    def speed(self, rounds: int, steps: int) -> None:
        """Print medians of each contender's tokens/s over rounds in alternation, and of its shares.

        Each has a process of its own, as whoever trains it has: what one leaves in the memory that
        another would get makes that one slower, or faster. All but one are asleep. The peak is
        measured in each round too: what else the machine does slows all alike.
        """
        names = ["ours, sampled", "ours, full"]
        if importlib.util.find_spec("transformers") is None:
            print("Hugging Face: no package transformers can be imported, so it is not measured")
        else:
            names.append("Hugging Face")
        names += ["minGPT"] if self.mingpt is not None else []
        ends: dict[str, Connection] = {}
        try:
            rows = {name: self._start(name, steps, ends) for name in names}
            speeds, peaks = self._alternate(ends, rounds, steps)
        finally:
            for end in ends.values():
                end.close()  # which ends its process, also when another one has failed
        slowest = names[-1]
        low, middle, high = min(peaks) / 1e9, statistics.median(peaks) / 1e9, max(peaks) / 1e9
        print(f"sgemm peak     {middle:7,.0f} GFLOP/s ({low:,.0f} to {high:,.0f})")
        for name in names:
            flops, middle = self._flops_per_token(rows[name]), statistics.median(speeds[name])
            ratios = [a / b for a, b in zip(speeds[name], speeds[slowest], strict=True)]
            shares = [a / b for a, b in zip(speeds[name], peaks, strict=True)]
            print(
                f"{name:14} {middle:7,.0f} tokens/s ({min(speeds[name]):,.0f} to "
                f"{max(speeds[name]):,.0f})  {statistics.median(ratios):5.2f} x {slowest}  "
                f"{statistics.median(shares) * flops:4.0%} of sgemm peak"
            )

    def _start(self, name: str, steps: int, ends: dict[str, Connection]) -> int:
        """Start a contender's process, add the way to it to `ends`; return its output rows."""
        spawn = multiprocessing.get_context("spawn")
        ends[name], theirs = spawn.Pipe()
        spawn.Process(target=work, args=(name, steps, theirs)).start()
        theirs.close()
        rows: int = ends[name].recv()
        return rows

    def _alternate(
        self, ends: dict[str, Connection], rounds: int, steps: int
    ) -> tuple[dict[str, list[float]], list[float]]:
        """Return each contender's tokens/s in every round, and the sgemm peak there."""
        speeds: dict[str, list[float]] = {name: [] for name in ends}
        peaks: list[float] = []
        for index in range(rounds + 1):
            if index:
                peaks.append(sgemm_peak())
            for name, end in ends.items():
                end.send(None)
                seconds = end.recv()
                if index:  # the first round warms up
                    speeds[name].append(steps * self.tokens_per_step / seconds)
        return speeds, peaks

    def profile(self, steps: int) -> None:
        """Print the operations that a step of ours spends most time in, milliseconds each."""
        run = self.ours(self.params.softmax)
        for _ in range(3):
            run.step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            seconds = timed(run.step, steps) / steps
        print(f"a step, the profiler running: {1000 * seconds:.0f} ms")
        spent = {e.key: e.self_cpu_time_total / 1000 / steps for e in profiler.key_averages()}
        for name, milliseconds in sorted(spent.items(), key=lambda item: -item[1])[:12]:
            print(f"{milliseconds:7.1f} ms  {name}")

    def _time_mingpt(self, steps: int) -> float:
        trainer = self.mingpt_trainer(batch_size=self.params.batch_size, max_iters=steps + 1)
        times: list[float] = []
        trainer.set_callback("on_batch_end", lambda t: times.append(time.perf_counter()))
        trainer.run()
        return times[-1] - times[0]

    def _flops_per_token(self, output_rows: int) -> int:
        """Return the floating-point operations that a training step computes for a token.

        Six for each weight of a matrix (Kaplan et al. 2020, table 1), and as many for each pair of
        positions and channel, twice, half of which the causal mask leaves out.
        """
        c = self.config
        blocks = c.n_layer * (12 * c.n_embd**2 + c.block_size * c.n_embd)
        return 6 * (blocks + c.n_embd * output_rows)

    def time_to(self, loss: float, patience: float) -> None:
        """Print how long ours and minGPT's defaults train until the validation loss is `loss`."""
        run, spent = self.ours(self.params.softmax), 0.0
        while run.done < self.params.steps:
            spent += timed(run.step, 5)
            if run.exact_losses(self.corpus.val)[0] <= loss:
                break
        (reached,) = run.exact_losses(self.corpus.val)
        print(f"ours: {reached:.3f} after {run.done} steps, {spent:.0f} s of training")
        if self.mingpt is None:
            return
        trainer, limit = self.mingpt_trainer(), patience * spent
        seconds, found, started = 0.0, float("inf"), time.perf_counter()

        class EnoughError(Exception):
            """Ends the Trainer's endless loop."""

        def watch(trainer: Any) -> None:
            nonlocal seconds, found, started
            seconds += time.perf_counter() - started
            if trainer.iter_num % 10 == 9 or seconds > limit:
                found = plain_loss(trainer.model, self.corpus.val, self.config.block_size)
                if found <= loss or seconds > limit:
                    raise EnoughError
            started = time.perf_counter()

        trainer.set_callback("on_batch_end", watch)
        try:
            trainer.run()
        except EnoughError:
            verdict = "reached it" if found <= loss else "stopped there, not having reached it"
            print(
                f"minGPT's defaults: {found:.3f} after {trainer.iter_num + 1} steps, "
                f"{seconds:.0f} s of training: {verdict}; {seconds / spent:.1f} times ours"
            )

    def final_losses(self, seeds: list[int], ends: list[str], init: str | None) -> None:
        """Print the loss of the defaults for each seed and end of the text that is held out.

        Those of the defaults are added to `held_out.csv`, for the report. The weights are the last.
        """
        shape = self.shape.model_copy(update={"init": init} if init else {})
        text = np.concatenate([self.corpus.train, self.corpus.val])
        rows = []
        for end in ends:
            n = len(self.corpus.val)
            train, val = (text[:-n], text[-n:]) if end == "last" else (text[n:], text[:n])
            corpus = replace(self.corpus, train=train, val=val)
            losses = []
            for seed in seeds:
                seeded = self.params.model_copy(update={"seed": seed})
                run = begin(shape, seeded, corpus, self.token_bytes)
                while run.done < seeded.steps:
                    run.step()
                run.evaluate()
                losses.append(mean_loss(run.finish(), val))
                rows.append({"held_out": end, "seed": seed, "val_loss": losses[-1]})
                print(f"{end} tenth held out, seed {seed}: {losses[-1]:.4f}", flush=True)
            spread = statistics.stdev(losses) if len(losses) > 1 else float("nan")
            print(f"{end} tenth: mean {statistics.mean(losses):.4f}, spread {spread:.4f}")
        if init is None:
            key = settings_key(load_all(), len(text), len(np.unique(text)))
            remember(pd.DataFrame(rows), key, HERE / "held_out.csv")


def remember(measured: pd.DataFrame, key: str, path: Path) -> None:
    """Add losses to those in `path` of the same settings; others there are of no use any more."""
    measured.insert(0, "settings", key)
    known = read_csv(path)
    table = pd.concat([known[known["settings"] == key], measured])
    table = table.drop_duplicates(["held_out", "seed"], keep="last")
    write_csv(path, table.sort_values(["held_out", "seed"]))


def work(name: str, steps: int, parent: Connection) -> None:
    """Train one contender for `steps` each time the parent asks, and tell it the seconds.

    What our stages set up beside the number of threads is a part of ours alone.
    """
    compute = load_section(ComputeParams, "compute")
    if name.startswith("ours"):
        prepare(compute)
    torch.set_num_threads(compute.threads)
    rows, run = Bench().contender(name, steps)
    parent.send(rows)
    with suppress(EOFError):  # when the parent has asked its last
        while True:
            parent.recv()
            parent.send(run())


def timed(step: Callable[[], object], steps: int) -> float:
    """Return the seconds that so many calls of `step` take."""
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - started


@torch.no_grad()
def plain_loss(model: Any, tokens: np.ndarray[Any, Any], block_size: int) -> float:
    """Return `mean_loss` of minGPT's model, which gives logits and a loss."""
    model.eval()
    ids = torch.from_numpy(tokens.astype(np.int64))
    total = 0.0
    for start in range(0, len(ids) - 1, block_size):
        inputs = ids[start : min(start + block_size, len(ids) - 1)]
        targets = ids[start + 1 : start + 1 + len(inputs)]
        total += F.cross_entropy(model(inputs[None])[0][0], targets, reduction="sum").item()
    model.train()
    return total / (len(ids) - 1)


if __name__ == "__main__":
    main()
