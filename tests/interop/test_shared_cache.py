"""Two clones that share a cache on an S3 server: what one has made, the other need not make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.helpers.project import command, edit, repro

pytestmark = pytest.mark.filterwarnings("ignore")
BUCKET = "looking-glass"
KEYS = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server on loopback, with a bucket."""
    for name, value in {**KEYS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


def done(root: Path, *words: str) -> str:
    """Run a command that must succeed; return what it said."""
    ran = command(root, *words)
    assert ran.returncode == 0, f"{' '.join(words)}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def commit(root: Path, message: str) -> None:
    done(root, "git", "add", "-A")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done(root, "git", *who, "commit", "-qm", message)


def outs(root: Path) -> dict[str, bytes]:
    """Return every file that the stages made, by its path."""
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    made = [root / out["path"] for stage in lock["stages"].values() for out in stage["outs"]]
    files = [file for path in made for file in ([path] if path.is_file() else path.rglob("*"))]
    return {str(file.relative_to(root)): file.read_bytes() for file in files if file.is_file()}


def test_what_one_clone_pushed_another_pulls_and_runs_nothing(
    project: Path, endpoint: str, tmp_path: Path
) -> None:
    origin, first, second = tmp_path / "origin.git", project, tmp_path / "second"
    shutil.rmtree(first / "audit")
    commit(first, "A run")
    done(tmp_path, "git", "clone", "-q", str(first), str(tmp_path / "alone"))
    refused = command(tmp_path / "alone", "dvc", "pull")
    assert refused.returncode != 0
    assert "Checkout failed for following targets" in refused.stderr, "which the README explains"

    # As the recipe says.
    done(first, "dvc", "remote", "add", "--default", "shared", f"s3://{BUCKET}/cache")
    done(first, "dvc", "remote", "modify", "shared", "endpointurl", endpoint)
    commit(first, "A shared cache")
    done(first, "dvc", "push")
    done(tmp_path, "git", "clone", "-q", "--bare", str(first), str(origin))

    done(tmp_path, "git", "clone", "-q", str(origin), str(second))
    assert not (second / "data/model").exists()
    done(second, "dvc", "pull")
    assert outs(second) == outs(first)
    assert len(outs(second)) > 60
    assert repro(second) == []
    assert done(second, "git", "status", "--porcelain") == ""

    # An experiment of the second clone, for the first one.
    done(second, "dvc", "exp", "run", "-n", "other-words", "-S", "logprob.max_tokens=20")
    done(second, "dvc", "exp", "push", "origin", "other-words")
    done(first, "git", "remote", "add", "origin", str(origin))
    done(first, "dvc", "exp", "pull", "origin", "other-words")
    done(first, "dvc", "exp", "apply", "other-words")
    assert outs(first) == outs(second)
    assert repro(first) == []

    # The model alone, without a clone.
    got = tmp_path / "got"
    done(tmp_path, "dvc", "get", str(origin), "data/export", "-o", str(got))
    assert json.loads((got / "config.json").read_text())["model_type"] == "gpt2"
    assert (got / "README.md").read_text().startswith("---\n")
    edit(first, train__steps=61)
    assert repro(first, "--dry", "train") == ["train"]
