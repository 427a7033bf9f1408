"""Fetch published files from where they lie, and check that they are what was pinned.

Why not with pip, which knows indexes and hashes: `pip download` runs the code of an sdist to learn
what it depends on, and has no limit of size or of total time. Why not with pooch: it lacks the
same limits, and knows no index. So pypi-simple reads the index, `transfer` fetches, and the hash
that was pinned decides.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import requests
from pypi_simple import (
    ACCEPT_ANY,
    PYPI_SIMPLE_ENDPOINT,
    ProjectPage,
    PyPISimple,
    UnsupportedRepoVersionError,
)

from looking_glass.pipeline.errors import InputError
from looking_glass.text import transfer
from looking_glass.text.archives import extract
from looking_glass.text.sources import KaggleSource, LocalSource, PackageSource, Source, UrlSource
from looking_glass.text.transfer import Answer, Limits, explained


def fetch_all(wanted: dict[str, Source], directory: Path, limits: Limits | None = None) -> None:
    """Write what lies at every source into `directory`, by name; an archive is fetched once.

    Nothing is held in memory, and nothing gets into `directory` before it has its hash. Raises
    `InputError` when a source cannot be had within `limits`, or is not what its hash says;
    `directory` may then hold some of the files.
    """
    limits = limits or Limits()
    # A transfer that was given up may still hold a file open, which some systems do not remove.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        for name, source in wanted.items():
            target = Path(scratch) / "fetched"
            origin = _fetch(source, target, Path(scratch), limits)
            if source.sha256 is None and not isinstance(source, LocalSource):
                raise InputError(
                    f"{name} from {origin}: its sha256 is required, params.yaml has none; what "
                    f"came has {sha256_of(target)}: pin that if you mean it"
                )
            check_sha256(target, source.sha256, what=f"{name} from {origin}")
            shutil.copyfile(target, directory / name)


def sha256_of(path: Path) -> str:
    """Return the hash of a file, read some of it at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str | None, *, what: str) -> None:
    """Raise `InputError` unless a file has the hash `expected` (None: any will do)."""
    found = sha256_of(path) if expected is not None else None
    if found != expected:
        raise InputError(
            f"{what}: required sha256 {expected}, got {found} ({path.stat().st_size:,} bytes): "
            "it is not the file that was pinned; correct the hash only if you mean this one"
        )


def _fetch(source: Source, target: Path, scratch: Path, limits: Limits) -> str:
    """Write what lies at `source` to `target`, and return in words where that is."""
    match source:
        case PackageSource():
            _from_package(source, target, scratch, limits)
            return f"{source.member} in {source.filename}"
        case UrlSource():
            with explained(source.url):
                transfer.save(source.url, target, limits)
            return source.url
        case KaggleSource():
            _from_kaggle(source, target)
            return f"{source.file} in Kaggle's {source.dataset}"
        case LocalSource():
            _copy_local(source.path, target)
            return str(source.path)


def _from_package(source: PackageSource, target: Path, scratch: Path, limits: Limits) -> None:
    packages = scratch / "packages"
    packages.mkdir(exist_ok=True)
    archive = packages / source.filename
    if not archive.exists():
        what = f"{source.filename} from the package index"
        with explained(what):
            address = _address(source, what, limits)
            transfer.save(address, archive, limits)
    check_sha256(archive, source.filename_sha256, what=source.filename)
    extract(archive, source.member, target, limits.largest)


def _address(source: PackageSource, what: str, limits: Limits) -> str:
    """Return where the package index says that a distribution lies."""
    endpoint = os.environ.get("PIP_INDEX_URL") or PYPI_SIMPLE_ENDPOINT
    with PyPISimple(endpoint) as index:
        url = index.get_project_url(source.project)
    try:
        answer = transfer.read(url, ACCEPT_ANY, limits)
    except requests.HTTPError as error:
        if error.response.status_code != 404:
            raise
        raise InputError(f"{what}: no such project ({source.project}): correct its name") from None
    page = _project_page(answer, source.project, what)
    package = next((p for p in page.packages if p.filename == source.filename), None)
    if package is None:
        raise InputError(
            f"the package index has no file {source.filename} of {source.project}: "
            "correct its name, or choose another download.source"
        )
    return package.url


def _project_page(answer: Answer, project: str, what: str) -> ProjectPage:
    kind, _, charset = answer.kind.partition("charset=")
    try:
        match kind.partition(";")[0].strip().lower():
            case "application/vnd.pypi.simple.v1+json":
                return ProjectPage.from_json_data(json.loads(answer.content), answer.url)
            case "application/vnd.pypi.simple.v1+html" | "text/html":
                return ProjectPage.from_html(
                    project, answer.content, answer.url, charset.strip("\"' ") or None
                )
            case other:
                reason = other or "no type"
    # RecursionError: brackets or tags within each other without end.
    except (ValueError, UnsupportedRepoVersionError, RecursionError, LookupError) as error:
        reason = type(error).__name__
    raise InputError(f"{what}: what answered is no package index ({reason}): check PIP_INDEX_URL")


def _from_kaggle(source: KaggleSource, target: Path) -> None:
    download = _kagglehub_download()
    try:
        path = download(source.dataset, path=source.file)
    except Exception as error:  # kagglehub raises many classes of its own, and requests'
        raise InputError(f"Kaggle's {source.dataset}/{source.file}: {error}") from None
    _copy_local(Path(path), target)


def _kagglehub_download() -> Callable[..., str]:
    try:
        from kagglehub import dataset_download
    except ImportError:
        raise InputError(
            "download.source 'kaggle' requires the package kagglehub, which is not installed: "
            "run .venv/bin/pip install kagglehub"
        ) from None
    download: Callable[..., str] = dataset_download
    return download


def _copy_local(path: Path, target: Path) -> None:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would never end
            raise InputError(f"{path}: a file is required, it is none: correct the path")
        source = path.open("rb")
    except (OSError, ValueError) as error:  # a path that holds NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}): correct the path") from None
    with source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
