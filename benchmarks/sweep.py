"""Many seeds by DVC's queue, one table of all; some of them again without it, byte by byte.

    python -m benchmarks.sweep --seeds 32 --again 4

Works in a tiny project of its own, and needs GPT-2's tables, which the stage `download` makes, in
`data/`. Each run is the pipeline up to the stage `train`. Those again are trained by the stage
alone, in a folder that DVC knows nothing of; and the first seed once more by
`examples/run_seed.sh`, in a clone of a repository and from a remote that lie in folders here, as a
node of a cluster would run it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from looking_glass.pipeline.artifacts import write_csv
from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import ROOT, command, edit, lay_out

TABLES = (Path("data/encoder.json"), Path("data/vocab.bpe"))
RUNS = Path("benchmarks/sweep.csv")
MODEL, LOSS = "data/model/model.safetensors", "data/tables/train/loss.csv"
AGAIN = (MODEL, LOSS, "metrics/train.json")
PATIENCE = 3600.0  # seconds for all runs
PARALLEL = 2


def main() -> None:
    """Run the sweep; write the table; fail where a run again has other bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--again", type=int, default=4, help="seeds, the first ones")
    arguments = parser.parse_args()
    # A worker of the queue may outlive a run that failed, and go on writing.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        root = Path(directory) / "project"
        lay_out(root, (TABLES[0].resolve(), TABLES[1].resolve()))
        edit(root, train__steps=20, train__evaluate_every=10)
        commit(root)
        started = time.monotonic()
        queue(root, arguments.seeds)
        minutes = (time.monotonic() - started) / 60
        table = collect(root)
        write_csv(RUNS, table)
        print(
            f"{len(table)} runs in {minutes:.1f} minutes, {table['model'].nunique()} different "
            f"models, loss {table['val_loss'].min():.4f} to {table['val_loss'].max():.4f}"
        )
        wanted = {int(row["seed"]): row for _, row in table.iterrows()}
        for seed in range(1, arguments.again + 1):
            compare(f"seed {seed}, by the stage alone", by_hand(root, seed), wanted[seed])
        compare("seed 1, by examples/run_seed.sh", on_a_node(root, 1), wanted[1])


def do(root: Path, *words: str) -> str:
    """Run a command in `root`; return what it says. Raises `InputError` where it fails."""
    done = command(root, *words)
    if done.returncode:
        raise InputError(f"{' '.join(words)} failed: {done.stdout} {done.stderr}")
    return done.stdout


def commit(root: Path) -> None:
    """Encode the text, and commit: a queued run sees what git tracks."""
    shutil.copytree(ROOT / "examples", root / "examples")
    (root / ".gitignore").write_text(".scratch/\n__pycache__/\n")
    do(root, "git", "config", "user.name", "a reader")
    do(root, "git", "config", "user.email", "reader@example.org")
    do(root, "git", "checkout", "-q", "-b", "main")
    do(root, "dvc", "repro", "train")
    do(root, "git", "add", ".")
    do(root, "git", "commit", "-q", "-m", "The experiment")


def queue(root: Path, seeds: int) -> None:
    """Queue a run for each seed, and wait until all have ended well."""
    do(root, "dvc", "exp", "run", "--queue", "-S", f"train.seed=range(1,{seeds + 1})", "train")
    do(root, "dvc", "queue", "start", "-j", str(PARALLEL))
    until = time.monotonic() + PATIENCE
    status = ""
    while status.count("Success") < seeds:
        if "Failed" in status or time.monotonic() > until:
            do(root, "dvc", "queue", "stop", "--kill")
            raise InputError(f"all runs must succeed, got: {status}")
        time.sleep(5)
        # A worker holds DVC's lock now and then: that is no answer, and the next one may be.
        status = command(root, "dvc", "queue", "status").stdout


def collect(root: Path) -> pd.DataFrame:
    """Return a row for each experiment: its name, seed, losses, and the hashes of what it made."""
    rows = []
    for name, revision in experiments(root).items():
        params = yaml.safe_load(do(root, "git", "show", f"{revision}:params.yaml"))
        metrics = do(root, "git", "show", f"{revision}:metrics/train.json")
        made = cached(root, do(root, "git", "show", f"{revision}:dvc.lock"))
        rows.append(
            {
                "experiment": name,
                "seed": params["train"]["seed"],
                **json.loads(metrics),
                **last_loss(root, made[LOSS]),
                "model": made[MODEL],
                "curve": made[LOSS],
                "metrics": hashlib.md5(metrics.encode()).hexdigest(),  # noqa: S324 as DVC's
            }
        )
    return pd.DataFrame(rows).sort_values("seed")


def experiments(root: Path) -> dict[str, str]:
    """Return where git keeps each experiment, by its name."""
    names = do(root, "dvc", "exp", "list", "--name-only").split()
    kept = do(root, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    by_name = {revision.rpartition("/")[2]: revision for revision in kept}
    return {name: by_name[name] for name in names}


def cached(root: Path, lock: str) -> dict[str, str]:
    """Return the MD5 of the model and the loss curve by path, as `dvc.lock` says them."""
    outs = {out["path"]: out["md5"] for out in yaml.safe_load(lock)["stages"]["train"]["outs"]}
    folder = json.loads(in_cache(root, outs["data/model"]).read_text())
    files = {f"data/model/{one['relpath']}": one["md5"] for one in folder}
    return {MODEL: files[MODEL], LOSS: outs[LOSS]}


def in_cache(root: Path, md5: str) -> Path:
    """Return where DVC keeps the content of that hash."""
    return root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def last_loss(root: Path, md5: str) -> dict[str, float]:
    """Return the last row of a loss curve."""
    return dict(pd.read_csv(in_cache(root, md5)).iloc[-1][["train_loss", "val_loss"]])


def by_hand(root: Path, seed: int) -> dict[str, str]:
    """Train from `seed` by the stage alone; return the MD5 of what it makes."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "copy"
        left_out = shutil.ignore_patterns(".dvc", ".git", "model")
        shutil.copytree(root, copy, ignore=left_out)
        edit(copy, train__seed=seed)
        subprocess.run([sys.executable, "-m", "stages.train"], cwd=copy, check=True)
        return {
            name: hashlib.md5((copy / name).read_bytes()).hexdigest()  # noqa: S324 as DVC's
            for name in AGAIN
        }


def on_a_node(root: Path, seed: int) -> dict[str, str]:
    """Run a node's script from `seed`; return the MD5 of what can be pulled of its run here."""
    git, remote = root.parent / "origin.git", root.parent / "remote"
    do(root, "dvc", "remote", "add", "--default", "shared", str(remote))
    do(root, "git", "commit", "-q", "-a", "-m", "A remote that every node reaches")
    do(root, "git", "clone", "-q", "--bare", str(root), str(git))
    do(root, "git", "remote", "add", "origin", str(git))
    do(root, "dvc", "push", "data/tokens", "data/encoder.json", "data/vocab.bpe")
    print(do(root, "sh", "examples/run_seed.sh", str(seed), "train"), flush=True)
    do(root, "dvc", "exp", "pull", "origin", f"seed-{seed}")
    revision = experiments(root)[f"seed-{seed}"]
    made = cached(root, do(root, "git", "show", f"{revision}:dvc.lock"))
    metrics = do(root, "git", "show", f"{revision}:metrics/train.json")
    return {**made, AGAIN[2]: hashlib.md5(metrics.encode()).hexdigest()}  # noqa: S324 as DVC's


def compare(what: str, made: dict[str, str], run: pd.Series) -> None:
    """Say whether the bytes are a queued run's; raise `InputError` where they aren't."""
    wanted = dict(zip(AGAIN, run[["model", "curve", "metrics"]], strict=True))
    different = [name for name in AGAIN if made[name] != wanted[name]]
    print(f"{what}: {'other bytes' if different else 'the same bytes'}", flush=True)
    if different:
        raise InputError(f"{what}: the bytes of a queued run are required, got other {different}")


if __name__ == "__main__":
    run_stage(main)
