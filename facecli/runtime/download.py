"""One HTTPS request for a file or for the rest of it. Uses the standard library alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from facecli import __version__
from facecli.errors import WeightsError

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that may be asked without TLS: nobody stands between."""

_OK, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 200, 206, 416
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_CUT_OFF_HINT: Final = "Run it again: it goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server began to send.

    Attributes
    ----------
    start : int
        Position in the file of the first byte that comes; 0 where the server does not send parts.
    total_bytes : int, optional
        Size of the whole file; None if the server does not say.
    etag : str
        Strong validator of this very file; empty if there is none.
    host : str
        Whom the file comes from.
    """

    start: int
    total_bytes: int | None
    etag: str
    _response: HTTPResponse
    host: str

    def read(self, count: int) -> bytes:
        """Read up to `count` bytes; none means that the server ended.

        Raises
        ------
        WeightsError
            If the connection broke.
        """
        try:
            return self._response.read(count)
        except (OSError, HTTPException) as error:
            raise cut_off(self.host, str(error) or type(error).__name__) from error


def cut_off(host: str, reason: str) -> WeightsError:
    """Make the error for a download that ended too early."""
    return WeightsError(f"the download from {host} was cut off: {reason}", hint=_CUT_OFF_HINT, code="download_cut_off")


@contextmanager
def open_reply(url: str, *, offset: int, etag: str, timeout_s: float) -> Iterator[Reply]:
    """Ask for a file from `offset` on.

    Parameters
    ----------
    url : str
        https, or http to this machine.
    offset : int
        Bytes that are there already.
    etag : str
        Validator that came with them; if the file is another by now, it comes whole.
    timeout_s : float
        Seconds to wait for a connection and between any two pieces.

    Raises
    ------
    WeightsError
        If the address is not secure, the server cannot be reached or does not have the file.
    """
    host = urlsplit(url).hostname or url
    _refuse_insecure(url, allow_local=True)
    response = _request(url, host, offset, etag, timeout_s)
    try:
        yield _reply(response, host)
    finally:
        response.close()


def _request(url: str, host: str, offset: int, etag: str, timeout_s: float) -> HTTPResponse:
    headers = {"User-Agent": f"facecli/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if etag:
            headers["If-Range"] = etag
    try:
        # The scheme was checked by the caller; urllib would open others too.
        request = Request(url, headers=headers)  # noqa: S310
        response: HTTPResponse = _opener().open(request, timeout=timeout_s)
    except HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE and offset:
            return _request(url, host, 0, "", timeout_s)
        raise WeightsError(
            f"{host} answered {error.code} {error.reason} for {url}",
            hint="The file may have moved: get it by hand and run: facecli models import FILE",
        ) from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise WeightsError(
            f"{host} cannot be reached: {reason}", hint="Check the connection and run it again.", code="unreachable"
        ) from error
    if offset and response.status == _PARTIAL_CONTENT and _reply(response, host).start != offset:
        response.close()
        return _request(url, host, 0, "", timeout_s)
    return response


def _reply(response: HTTPResponse, host: str) -> Reply:
    etag = response.headers.get("ETag", "")
    etag = etag if etag.startswith('"') else ""  # W/"…" does not promise the same bytes
    if response.status == _PARTIAL_CONTENT:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None:
            return Reply(-1, None, etag, response, host)
        total = None if match[2] == "*" else int(match[2])
        return Reply(int(match[1]), total, etag, response, host)
    length = response.headers.get("Content-Length", "")
    return Reply(0, int(length) if length.isdecimal() else None, etag, response, host)


def _opener() -> OpenerDirector:
    # Only what a download needs: no file:, ftp: or data: addresses, neither given nor redirected to.
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        _SecureRedirects(),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _SecureRedirects(HTTPRedirectHandler):
    """Follows redirects, but never from a secure address to one that is not."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            _refuse_insecure(newurl, allow_local=urlsplit(req.full_url).hostname in LOCAL_HOSTS)
        except WeightsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_insecure(url: str, *, allow_local: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and allow_local and parts.hostname in LOCAL_HOSTS):
        return
    raise WeightsError(f"{url} is refused: weights come over https only", code="insecure")
