"""Sources against a real server that lies, an index of our own, and files that are not there."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import socket
import sys
import tarfile
import tempfile
import threading
import types
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.text import sources
from looking_glass.text.fetching import fetch_all
from looking_glass.text.transfer import Limits

BOOK = "\ufeffAlice was beginning to get very tired.\r\n".encode()
OTHER = b"Quite another edition."
# As the real ones, but nobody waits.
QUICK = Limits(silence=5, window=5, pauses=(0.01, 0.01))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sdist(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        folder = tarfile.TarInfo("book-1.0/texts")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class Server:
    """What is served by path, as (status, type, body, length claimed), and what was asked."""

    address: str
    routes: dict[str, tuple[int, str, bytes, int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def serve(
        self, path: str, body: bytes, *, status: int = 200, kind: str = "text/plain", extra: int = 0
    ) -> str:
        self.routes[path] = (status, kind, body, len(body) + extra)
        return self.address + path

    def serve_project(self, project: str, files: dict[str, bytes]) -> None:
        """An index page as in PEP 503, its links relative."""
        links = "".join(f'<a href="../../files/{name}">{name}</a>\n' for name in files)
        page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        self.serve(f"/simple/{project}/", page, kind="text/html")
        for name, content in files.items():
            self.serve(f"/files/{name}", content)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine, to which pip's index is set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            status, kind, body, length = state.routes.get(self.path, (404, "text/plain", b"", 0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state = Server(f"http://127.0.0.1:{running.server_port}")
        monkeypatch.setenv("PIP_INDEX_URL", f"{state.address}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def package(
    archive: bytes, member: str, content: bytes, filename: str = "book-1.0.tar.gz"
) -> sources.PackageSource:
    return sources.PackageSource(
        project="book",
        filename=filename,
        filename_sha256=sha256(archive),
        member=member,
        sha256=sha256(content),
    )


def url(address: str, content: bytes | None = BOOK) -> sources.UrlSource:
    return sources.UrlSource(url=address, sha256=sha256(content) if content else None)


def fetch(source: sources.Source, limits: Limits = QUICK) -> bytes:
    return fetched({"book.txt": source}, limits)["book.txt"]


def fetched(wanted: dict[str, sources.Source], limits: Limits = QUICK) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        fetch_all(wanted, Path(directory), limits)
        return {name: (Path(directory) / name).read_bytes() for name in wanted}


def refusal(source: sources.Source, limits: Limits = QUICK) -> str:
    """The message with which `source` is refused, as the user sees it; nothing was written."""
    with tempfile.TemporaryDirectory() as directory:
        with pytest.raises(InputError) as caught:
            fetch_all({"book.txt": source}, Path(directory), limits)
        assert list(Path(directory).iterdir()) == [], "a byte that nobody has checked"
    return str(caught.value)


def test_a_member_of_an_sdist_comes_as_it_was_published(server: Server) -> None:
    archive = sdist("book-1.0/texts/alice.txt", BOOK)
    server.serve_project("book", {"other-1.0.tar.gz": b"", "book-1.0.tar.gz": archive})
    assert fetch(package(archive, "book-1.0/texts/alice.txt", BOOK)) == BOOK


def test_a_wheel_that_two_files_lie_in_is_downloaded_once(server: Server) -> None:
    name = "book-1.0-py3-none-any.whl"
    archive = wheel({"a": BOOK, "b": OTHER})
    server.serve_project("book", {name: archive})
    wanted: dict[str, sources.Source] = {
        "first": package(archive, "a", BOOK, name),
        "second": package(archive, "b", OTHER, name),
    }
    assert fetched(wanted) == {"first": BOOK, "second": OTHER}
    assert server.asked == ["/simple/book/", f"/files/{name}"]
    wanted["second"] = wanted["second"].model_copy(update={"filename_sha256": "0" * 64})
    with pytest.raises(InputError, match=f"{name}: required sha256 0000"):
        fetched(wanted)


def test_an_archive_that_is_not_the_pinned_one_is_refused(server: Server) -> None:
    pinned, served = sdist("alice.txt", BOOK), sdist("alice.txt", OTHER)
    server.serve_project("book", {"book-1.0.tar.gz": served})
    message = refusal(package(pinned, "alice.txt", BOOK))
    assert message.startswith(f"book-1.0.tar.gz: required sha256 {sha256(pinned)}")
    assert f"got {sha256(served)}" in message


def test_a_member_that_is_not_the_pinned_one_is_refused(server: Server) -> None:
    archive = sdist("alice.txt", OTHER)
    server.serve_project("book", {"book-1.0.tar.gz": archive})
    message = refusal(package(archive, "alice.txt", BOOK))
    assert message.startswith("book.txt from alice.txt in book-1.0.tar.gz: required sha256")
    assert f"got {sha256(OTHER)} (22 bytes)" in message


@pytest.mark.parametrize(
    ("archive", "member", "expected"),
    [
        (sdist("alice.txt", BOOK), "alcie.txt", "has no member 'alcie.txt'"),
        (sdist("alice.txt", BOOK), "book-1.0/texts", "has no member 'book-1.0/texts'"),
        (wheel({"alice.txt": BOOK}), "alcie.txt", "has no member 'alcie.txt'"),
        (BOOK, "alice.txt", "required to be a readable sdist or wheel"),
        (b"", "alice.txt", "required to be a readable sdist or wheel"),
        (sdist("alice.txt", BOOK)[:60], "alice.txt", "required to be a readable sdist or wheel"),
    ],
    # An archive holds the time that it was made, and so would its test's name.
    ids=["sdist", "folder", "wheel", "text", "nothing", "cut short"],
)
def test_an_archive_without_the_member_is_refused(
    server: Server, archive: bytes, member: str, expected: str
) -> None:
    server.serve_project("book", {"book-1.0.tar.gz": archive})
    message = refusal(package(archive, member, BOOK))
    assert message.startswith("book-1.0.tar.gz ")
    assert expected in message


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ({"status": 404}, "no such project (book): correct its name"),
        ({"status": 500}, "the server answered 500"),
        ({"kind": "text/plain"}, "no package index (text/plain): check PIP_INDEX_URL"),
        ({"kind": "application/octet-stream"}, "what answered is no package index"),
        ({"kind": "text/html"}, "has no file book-1.0.tar.gz of book"),
        (
            {"kind": "application/vnd.pypi.simple.v1+json"},
            "what answered is no package index",
        ),
        ({"kind": "text/html; charset=klingon"}, "has no file book-1.0.tar.gz of book"),
    ],
)
def test_an_index_that_has_not_the_file_is_refused(
    server: Server, served: dict[str, int | str], expected: str
) -> None:
    server.serve("/simple/book/", b"<html>Welcome to the hotel's network</html>", **served)  # type: ignore[arg-type]
    message = refusal(package(b"", "alice.txt", BOOK))
    assert "book-1.0.tar.gz" in message
    assert expected in message


def test_a_file_that_the_index_lists_and_has_not_is_refused(server: Server) -> None:
    server.serve_project("book", {"book-1.0.tar.gz": b""})
    del server.routes["/files/book-1.0.tar.gz"]
    assert "the server answered 404" in refusal(package(b"", "alice.txt", BOOK))


def test_an_archive_cut_short_is_refused(server: Server) -> None:
    archive = sdist("alice.txt", BOOK)
    server.serve_project("book", {"book-1.0.tar.gz": archive})
    server.serve("/files/book-1.0.tar.gz", archive, extra=100)
    assert "could not be reached" in refusal(package(archive, "alice.txt", BOOK))


def test_a_url_gives_its_bytes_when_they_are_the_pinned_ones(server: Server) -> None:
    assert fetch(url(server.serve("/a.txt", BOOK))) == BOOK
    assert server.asked == ["/a.txt"]


@pytest.mark.parametrize(
    ("body", "status", "extra", "expected"),
    [
        (OTHER, 200, 0, f"required sha256 {sha256(BOOK)}, got {sha256(OTHER)}"),
        (b"", 200, 0, "(0 bytes)"),
        (BOOK[:-5], 200, 5, "could not be reached"),
        (BOOK, 404, 0, "the server answered 404"),
        (BOOK, 500, 0, "the server answered 500"),
    ],
)
def test_a_url_that_lies_is_refused(
    server: Server, body: bytes, status: int, extra: int, expected: str
) -> None:
    address = server.serve("/a.txt", body, status=status, extra=extra)
    message = refusal(url(address))
    assert address in message
    assert expected in message


def test_a_port_that_nobody_listens_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
    for source in (url(f"{address}/a.txt"), package(b"", "alice.txt", BOOK)):
        assert "could not be reached (ConnectionError): check the network" in refusal(source)


def test_a_download_without_a_hash_is_refused_and_its_hash_named(server: Server) -> None:
    message = refusal(url(server.serve("/a.txt", BOOK), None))
    assert "its sha256 is required" in message
    assert sha256(BOOK) in message


def test_a_local_file_needs_no_hash_and_is_held_to_the_one_it_has(tmp_path: Path) -> None:
    path = tmp_path / "my.txt"
    path.write_bytes(OTHER)
    assert fetch(sources.LocalSource(path=path)) == OTHER
    assert "it is not the file that was pinned" in refusal(
        sources.LocalSource(path=path, sha256=sha256(BOOK))
    )


@pytest.mark.parametrize(("name", "why"), [("gone.txt", "No such file"), (".", "Is a directory")])
def test_a_local_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, why: str) -> None:
    message = refusal(sources.LocalSource(path=tmp_path / name))
    assert f"{tmp_path / name} cannot be read ({why}" in message


@pytest.fixture
def kagglehub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., str]], None]:
    """Put a module `kagglehub` with this `dataset_download` in the real one's place."""

    def install(dataset_download: Callable[..., str]) -> None:
        module = types.ModuleType("kagglehub")
        vars(module)["dataset_download"] = dataset_download
        monkeypatch.setitem(sys.modules, "kagglehub", module)

    return install


KAGGLE = sources.KaggleSource(dataset="owner/alice", file="alice.txt", sha256=sha256(BOOK))


def test_kaggle_without_kagglehub_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "requires the package kagglehub" in refusal(KAGGLE)
    assert "pip install kagglehub" in refusal(KAGGLE)


def test_kaggle_gives_the_file_that_kagglehub_downloaded(
    kagglehub: Callable[[Callable[..., str]], None], tmp_path: Path
) -> None:
    def dataset_download(handle: str, path: str) -> str:
        file = tmp_path / handle.replace("/", "-") / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(BOOK)
        return str(file)

    kagglehub(dataset_download)
    assert fetch(KAGGLE) == BOOK
    assert (tmp_path / "owner-alice" / "alice.txt").exists()
    message = refusal(KAGGLE.model_copy(update={"sha256": None}))
    assert sha256(BOOK) in message
    assert "alice.txt in Kaggle's owner/alice" in message


def test_what_kagglehub_raises_is_told(kagglehub: Callable[[Callable[..., str]], None]) -> None:
    def dataset_download(handle: str, path: str) -> str:
        raise RuntimeError("403: log in first")

    kagglehub(dataset_download)
    assert refusal(KAGGLE) == "Kaggle's owner/alice/alice.txt: 403: log in first"


@pytest.mark.parametrize(
    "page",
    [
        b'<a href="http://[::1/book-1.0.tar.gz">book-1.0.tar.gz</a>',
        b'<meta name="pypi:repository-version" content="one"><a href="x">book-1.0.tar.gz</a>',
        b'<meta name="pypi:repository-version" content="9.0"><a href="x">book-1.0.tar.gz</a>',
        b'{"files": ' + b"[" * 100_000,
        b'{"name": "book", "files": {}, "meta": {"api-version": "1.0"}}',
        b'"book"',
    ],
    ids=["address", "version", "later version", "nested", "files", "text"],
)
def test_an_index_page_that_means_nothing_is_refused(server: Server, page: bytes) -> None:
    kind = "text/html" if page.startswith(b"<") else "application/vnd.pypi.simple.v1+json"
    server.serve("/simple/book/", page, kind=kind)
    assert "what answered is no package index" in refusal(package(b"", "alice.txt", BOOK))


@pytest.mark.parametrize(
    "href", ["file:///etc/hostname", f"http://{'a' * 64}.test/x", "javascript:alert(1)"]
)
def test_an_index_that_leads_elsewhere_is_refused(server: Server, href: str) -> None:
    page = f'<a href="{href}">book-1.0.tar.gz</a>'.encode()
    server.serve("/simple/book/", page, kind="text/html")
    message = refusal(package(b"", "alice.txt", BOOK))
    assert message.startswith("book-1.0.tar.gz from the package index: ")


def test_a_page_or_file_past_its_limit_is_left(server: Server) -> None:
    archive = sdist("alice.txt", BOOK)
    server.serve_project("book", {"book-1.0.tar.gz": archive})
    source = package(archive, "alice.txt", BOOK)
    assert fetch(source) == BOOK
    for limits in (Limits(page=20), Limits(largest=len(archive) - 1), Limits(largest=9)):
        assert "bytes are required, and more came" in refusal(source, limits)
    message = refusal(url(server.serve("/a.txt", BOOK)), Limits(largest=len(BOOK) - 1))
    assert f"at most {len(BOOK) - 1} bytes are required, and more came" in message


def test_the_first_of_two_is_kept_only_when_it_was_checked(server: Server, tmp_path: Path) -> None:
    good, bad = url(server.serve("/a", BOOK)), url(server.serve("/b", OTHER))
    with pytest.raises(InputError, match=r"second from .*/b: required sha256"):
        fetch_all({"first": good, "second": bad}, tmp_path, QUICK)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"first": BOOK}


@pytest.mark.parametrize("path", ["/dev/zero", "a_folder", "a_fifo", "nul\0"])
def test_what_is_no_file_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_folder").mkdir()
    os.mkfifo(tmp_path / "a_fifo")
    assert "correct the path" in refusal(sources.LocalSource(path=Path(path)))
