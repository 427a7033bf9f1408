"""Bytes from a server that may be slow, broken or hostile, within limits that it cannot stretch.

requests and urllib3 talk to it. Their time-outs begin anew with every byte, and they read and
decode what they are sent without a limit. So a thread fetches, and the thread that asked counts
what has come: that bounds names that are not resolved and headers that trickle, too. Nothing is
decoded on the way, and the body of a redirect or a refusal is not read.
"""

from __future__ import annotations

import http.client
import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests
import urllib3
from tqdm import tqdm

from looking_glass.pipeline.errors import InputError, shorten

CHUNK = 1 << 16  # bytes
AGAIN = (500, 502, 503, 504)  # answers of a server that may know better in a moment


_SECRET = re.compile(r"//[^/\s]*@")
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationValueError,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server may ask of us. Whatever it does, 50 seconds of silence end the transfer."""

    silence: float = 20.0  # seconds to connect, and between two pieces
    window: float = 25.0  # seconds in which some bytes are required …
    slowest: float = 1024.0  # … namely so many a second
    longest: float = 3600.0  # seconds in all
    largest: int = 1 << 30  # bytes of a file, also of one in an archive
    page: int = 1 << 23  # bytes of an index page
    redirects: int = 10
    pauses: tuple[float, ...] = (0.5, 2.0)  # seconds before each further try


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server sent, and the address and type that it came under."""

    content: bytes
    url: str
    kind: str


def save(url: str, target: Path, limits: Limits) -> None:
    """Write to `target` the bytes at `url`, as they are sent; raises as `explained` tells.

    Raises `InputError` where they are too many or come too slowly; `target` may hold some by then.
    """
    with target.open("wb") as file:
        _watched(_Transfer(url, file, limits, limits.largest))


def read(url: str, accept: str, limits: Limits) -> Answer:
    """Return a page of at most `limits.page` bytes, asked for in the formats `accept`."""
    buffer = io.BytesIO()
    transfer = _Transfer(url, buffer, limits, limits.page, accept)
    _watched(transfer)
    return Answer(content=buffer.getvalue(), url=transfer.url, kind=transfer.kind)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn whatever goes wrong on the way to a server into one `InputError` naming `what`."""
    try:
        yield
    except requests.HTTPError as error:
        raise InputError(
            f"{what}: the server answered {error.response.status_code}: check the address"
        ) from None
    except _NO_ADDRESS as error:
        raise InputError(_no_address(what, error)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise InputError(
            f"{what}: could not be reached ({type(error).__name__}): check the network and "
            "PIP_INDEX_URL, or choose another download.source"
        ) from None
    except (ValueError, http.client.HTTPException) as error:  # what requests lets through
        raise InputError(_no_address(what, error)) from None


def _public(text: str) -> str:
    """Return `text` without the user and password that an address in it may hold."""
    return _SECRET.sub("//", text)


def _no_address(what: str, error: Exception) -> str:
    reason = shorten(_public(str(error)), 120)
    return f"{what}: an http(s) address is required, there or where it leads: {reason}: correct it"


class _Still(requests.Session):
    """A session that follows nothing: on its way requests would read bodies whole, of any size."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none, whatever an answer says."""

    def onward(self, response: requests.Response) -> str | None:
        """Return where an answer leads, None where it is no redirect."""
        return super().get_redirect_target(response)


class _Transfer(threading.Thread):
    """Fetch `url` into a file; what went wrong is kept in `error`."""

    def __init__(
        self, url: str, into: IO[bytes], limits: Limits, most: int, accept: str = "*/*"
    ) -> None:
        super().__init__(daemon=True)  # one that never returns must not keep the process
        self.url, self.into, self.limits, self.most, self.accept = url, into, limits, most, accept
        self.kind = ""
        self.total: int | None = None  # bytes that the server promised
        self.n = 0  # bytes that came
        self.given_up = False
        self.error: Exception | None = None

    def run(self) -> None:
        """Fetch; called by `start`."""
        try:
            with _Still() as session, self._answer(session) as response:
                response.raise_for_status()
                self.kind = response.headers.get("Content-Type", "text/html")
                self.total = response.raw.length_remaining
                # read1 returns what is there, however little; read would wait for a whole piece.
                while chunk := response.raw.read1(CHUNK, decode_content=False):
                    self.n += len(chunk)
                    if self.n > self.most:
                        raise InputError(_too_much(_public(self.url), self.most))
                    if self.given_up:
                        return
                    self.into.write(chunk)
        except Exception as error:  # whatever it is, the thread that asked raises it
            self.error = error

    def _answer(self, session: _Still) -> requests.Response:
        """Return an answer that is no redirect, its body unread."""
        for _ in range(self.limits.redirects + 1):
            response = self._tried(session)
            onward = session.onward(response)
            if onward is None:
                return response
            response.close()
            self.url = requests.compat.urljoin(self.url, onward)
        raise requests.TooManyRedirects(f"more than {self.limits.redirects}")

    def _tried(self, session: _Still) -> requests.Response:
        """Ask, and ask again where the server is at fault or does not answer."""
        for pause in self.limits.pauses:
            try:
                response = self._ask(session)
            except requests.ConnectionError:
                pass
            else:
                if response.status_code not in AGAIN:
                    return response
                response.close()
            time.sleep(pause)
        return self._ask(session)

    def _ask(self, session: _Still) -> requests.Response:
        return session.get(
            self.url,
            stream=True,
            timeout=self.limits.silence,
            # As pip does: a file that is decoded on the way is not the one that was hashed.
            headers={"Accept": self.accept, "Accept-Encoding": "identity"},
        )


def _watched(transfer: _Transfer) -> None:
    """Run a transfer to its end, or to the end of its time; raise what it raised."""
    limits, url = transfer.limits, _public(transfer.url)
    began = marked = time.monotonic()
    seen = 0  # bytes at the mark
    transfer.start()
    with ExitStack() as shown:
        bar = None  # until something comes: a refusal is one line and no more
        while transfer.is_alive():
            transfer.join(0.1)
            if bar is None and transfer.n:
                bar = shown.enter_context(tqdm(desc=url, unit="B", unit_scale=True))
            if bar is not None:
                bar.total = transfer.total
                bar.update(transfer.n - bar.n)
            now = time.monotonic()
            if now - marked >= limits.window:
                slow = transfer.n - seen < limits.slowest * (now - marked)
                if slow or now - began > limits.longest:
                    transfer.given_up = True
                    raise InputError(_too_slow(url, transfer.n, now - began, limits))
                marked, seen = now, transfer.n
    if transfer.error is not None:
        raise transfer.error


def _too_much(url: str, most: int) -> str:
    return (
        f"{url}: at most {most:,} bytes are required, and more came: check the address, or fetch "
        "the file yourself and set download.source to local"
    )


def _too_slow(url: str, n: int, seconds: float, limits: Limits) -> str:
    return (
        f"{url}: {limits.slowest:,.0f} bytes a second and an end within {limits.longest:,.0f} "
        f"seconds are required, {n:,} bytes came in {seconds:.0f} seconds: try again later, or "
        "fetch the file yourself and set download.source to local"
    )
