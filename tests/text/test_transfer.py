"""A server that lies, breaks off, dawdles and never ends: the right bytes, or one line in time."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.text import transfer
from looking_glass.text.transfer import Limits

BOOK = b"Alice was beginning to get very tired.\n" * 50
QUICK = Limits(silence=0.3, window=0.5, slowest=1000, pauses=(0.01, 0.01), largest=1 << 20)
SOON = 10.0  # seconds: far more than any of these needs, and far less than for ever

Script = Callable[[int, str], Iterable[bytes]]


class Liar:
    """A server that answers what a script says, given how often it was asked, and for what."""

    def __init__(self, script: Script) -> None:
        self.script, self.asked, self.sent = script, 0, 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._listen)]
        self.threads[0].start()

    def _listen(self) -> None:
        while not self.done.is_set():
            connection, _ = self.listening.accept()
            self.threads.append(threading.Thread(target=self._answer, args=(connection,)))
            self.threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            asked = connection.recv(1 << 16)
            if not asked:
                return
            self.asked += 1
            try:
                for piece in self.script(self.asked, asked.split()[1].decode()):
                    if self.done.is_set():
                        return
                    connection.sendall(piece)
                    self.sent += len(piece)
            except OSError:
                pass  # they have heard enough

    def close(self) -> None:
        self.done.set()
        with socket.create_connection(self.listening.getsockname()):
            pass
        for thread in self.threads:
            thread.join()
        self.listening.close()


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], Liar]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started: list[Liar] = []

    def start(script: Script) -> Liar:
        started.append(Liar(script))
        return started[-1]

    yield start
    for one in started:
        one.close()


def head(status: str = "200 OK", *lines: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "Connection: close", "", "")).encode()


def whole(content: bytes, *lines: str, status: str = "200 OK") -> list[bytes]:
    return [head(status, f"Content-Length: {len(content)}", *lines), content]


def slowly(content: Iterable[bytes], seconds: float = 0.02) -> Iterator[bytes]:
    for piece in content:
        yield piece
        time.sleep(seconds)


def onward(to: str) -> bytes:
    return head("302 Found", f"Location: {to}")


def fetch(server: Liar, target: Path, limits: Limits = QUICK) -> bytes:
    with transfer.explained(server.address):
        transfer.save(f"{server.address}/a", target, limits)
    return target.read_bytes()


def refusal(server: Liar, target: Path, limits: Limits = QUICK) -> str:
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        fetch(server, target, limits)
    assert time.monotonic() - began < SOON
    message = str(caught.value)
    assert server.address in message
    assert "\n" not in message
    return message


GOOD: dict[str, Script] = {
    "plainly": lambda _, __: whole(BOOK),
    "until it hangs up": lambda _, __: [head(), BOOK],
    "in chunks": lambda _, __: [
        head("200 OK", "Transfer-Encoding: chunked"),
        *(b"%x\r\n%s\r\n" % (len(part), part) for part in (BOOK[:9], BOOK[9:])),
        b"0\r\n\r\n",
    ],
    "in small pieces": lambda _, __: [head(), *(BOOK[i : i + 7] for i in range(0, len(BOOK), 7))],
    "with a length that is no number": lambda _, __: [head("200 OK", "Content-Length: ²"), BOOK],
    "after a fault": lambda n, _: whole(BOOK) if n > 1 else whole(b"", status="500 No"),
    "after hanging up": lambda n, _: whole(BOOK) if n > 2 else [],
    "elsewhere": lambda _, path: whole(BOOK) if path == "/b" else [onward("b")],
    # A file that is compressed in itself may be told as encoded: it is the file that was hashed.
    "as it is": lambda _, __: whole(BOOK, "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("how", GOOD)
def test_what_is_sent_arrives(liar: Callable[[Script], Liar], tmp_path: Path, how: str) -> None:
    assert fetch(liar(GOOD[how]), tmp_path / "a") == BOOK


BAD: dict[str, tuple[Script, str]] = {
    "404": (lambda _, __: whole(b"", status="404 No"), "the server answered 404"),
    "500": (lambda _, __: whole(b"", status="500 No"), "the server answered 500"),
    "cut short": (lambda _, __: [head("200 OK", "Content-Length: 9"), b"Alice"], "(ProtocolError)"),
    "a chunk cut short": (
        lambda _, __: [head("200 OK", "Transfer-Encoding: chunked"), b"9\r\nAlice"],
        "could not be reached",
    ),
    "no HTTP": (lambda _, __: [b"SSH-2.0-Alice\r\n\r\n"], "could not be reached"),
    "hangs up": (lambda _, __: [], "could not be reached"),
    "in a circle": (lambda _, path: [onward("a" if path == "/b" else "b")], "TooManyRedirects"),
    "to no address": (lambda _, __: [onward("http://[::1")], "an http(s) address is required"),
    "to a long name": (lambda _, __: [onward(f"http://{'a' * 64}.test/")], "address is required"),
    "to a file": (lambda _, __: [onward("file:///etc/hostname")], "address is required"),
    "to a script": (lambda _, __: [onward("javascript:alert(1)")], "address is required"),
    "silent": (lambda _, __: slowly([b"", b""], 0.4), "could not be reached (ReadTimeout)"),
    "silent after a while": (
        lambda _, __: slowly([head("200 OK", "Content-Length: 9"), b"A", b"lice"], 0.4),
        "could not be reached (ReadTimeoutError)",
    ),
    "a byte at a time": (
        lambda _, __: slowly(itertools.chain([head()], itertools.repeat(b"A"))),
        "1,000 bytes a second and an end within 3,600 seconds are required",
    ),
    "slow headers": (
        lambda _, __: slowly(itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"A"))),
        "0 bytes came in ",
    ),
    "without an end": (
        lambda _, __: itertools.chain([head()], itertools.repeat(bytes(1 << 16))),
        "at most 1,048,576 bytes are required, and more came",
    ),
}


@pytest.mark.parametrize("how", BAD)
def test_a_lie_is_told_in_time(liar: Callable[[Script], Liar], tmp_path: Path, how: str) -> None:
    script, message = BAD[how]
    assert message in refusal(liar(script), tmp_path / "a")
    assert (tmp_path / "a").stat().st_size <= QUICK.largest


def test_what_is_slow_and_fast_enough_arrives(
    liar: Callable[[Script], Liar], tmp_path: Path
) -> None:
    pieces = [BOOK[:500]] * 40  # some 20,000 bytes a second, of 1,000 that are required
    server = liar(lambda _, __: slowly([head(), *pieces]))
    assert fetch(server, tmp_path / "a") == b"".join(pieces)


def test_what_goes_on_for_long_enough_is_left(
    liar: Callable[[Script], Liar], tmp_path: Path
) -> None:
    server = liar(lambda _, __: slowly(itertools.chain([head()], itertools.repeat(bytes(1000)))))
    message = refusal(server, tmp_path / "a", Limits(window=0.1, longest=0.3))
    assert "an end within 0 seconds" in message


def test_a_server_at_fault_is_asked_three_times_and_others_once(
    liar: Callable[[Script], Liar], tmp_path: Path
) -> None:
    for status, times in (("503 No", 3), ("404 No", 1), ("403 No", 1)):
        server = liar(lambda _, __, status=status: whole(b"", status=status))  # type: ignore[misc]
        refusal(server, tmp_path / "a")
        assert server.asked == times


@pytest.mark.parametrize("status", ["302 Found\r\nLocation: /b", "500 No"])
def test_the_body_of_what_is_no_answer_is_not_read(
    liar: Callable[[Script], Liar], tmp_path: Path, status: str
) -> None:
    endless = itertools.repeat(bytes(1 << 16))
    server = liar(lambda n, _: whole(BOOK) if n > 1 else itertools.chain([head(status)], endless))
    assert fetch(server, tmp_path / "a") == BOOK
    assert server.sent < 1 << 24, "what lies between two sockets"


def test_a_bomb_is_never_opened(liar: Callable[[Script], Liar], tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(1 << 20))
    server = liar(lambda _, __: whole(bomb, "Content-Encoding: gzip"))
    assert fetch(server, tmp_path / "a") == bomb
    assert transfer.read(f"{server.address}/a", "text/html", QUICK).content == bomb


@pytest.mark.parametrize("how", ["without an end", "a byte at a time", "to no address", "404"])
def test_no_password_is_told(
    liar: Callable[[Script], Liar],
    tmp_path: Path,
    how: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = liar(BAD[how][0])
    url = server.address.replace("//", "//alice:secret@") + "/a"
    with pytest.raises(InputError) as caught, transfer.explained("the index"):
        transfer.save(url, tmp_path / "a", QUICK)
    assert "secret" not in str(caught.value) + "".join(capsys.readouterr())


def test_an_answer_says_where_it_came_from_and_as_what(liar: Callable[[Script], Liar]) -> None:
    server = liar(
        lambda _, path: whole(BOOK, "Content-Type: a/b") if path == "/c" else [onward("/c")]
    )
    answer = transfer.read(f"{server.address}/a", "a/b", QUICK)
    assert (answer.content, answer.url) == (BOOK, f"{server.address}/c")
    assert answer.kind == "a/b"


def test_the_limits_end_a_silence_within_a_minute() -> None:
    limits = Limits()
    assert limits.silence + limits.window <= 50
    assert 2 * limits.window <= 50, "a trickle that begins after a mark is seen at the next but one"
