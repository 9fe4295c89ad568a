"""Fetching a picture from the web, within limits."""

import re
import string
import time
from http.client import HTTPException
from typing import Any, cast
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from acseg.errors import ImageError
from acseg.names import safe_text

MOST_BYTES = 100_000_000
"""A larger file is not fetched."""

_CHUNK = 65_536


def is_url(item: Any) -> bool:
    """Whether this is the address of something on the web rather than a file."""
    return isinstance(item, str) and item.lower().startswith(("http://", "https://"))


def fetch(
    url: str, *, most_bytes: int = MOST_BYTES, pause: float = 10.0, seconds: float = 60.0
) -> bytes:
    """Fetch the content of a http or https address.

    Redirects are followed, to http and https only.

    Parameters
    ----------
    url : str
    most_bytes : int, default 100,000,000
        Of the content; 1e6 to 1e9.
    pause : float, default 10
        Longest time in seconds without an answer; 1 to 60.
    seconds : float, default 60
        Longest time in seconds for the whole content; 5 to 600.

    Raises
    ------
    ImageError
        With the address and the reason, if there is no network, no such thing, an error of the
        server, or more bytes or time than allowed.
    """
    until = time.monotonic() + seconds
    try:
        address = quote(url, safe=string.punctuation)
        asked = request.Request(address, headers={"User-Agent": "acseg"})  # noqa: S310
        with _opener().open(asked, timeout=pause) as answer:
            return _content(answer, most_bytes, seconds, until)
    except _Refused as refusal:
        reason = str(refusal)
    except HTTPError as error:
        reason = f"the server answers {error.code} {error.reason}"
    except TimeoutError:
        reason = f"no answer within {pause:g} seconds"
    except URLError as error:
        slow = isinstance(error.reason, TimeoutError)
        reason = f"no answer within {pause:g} seconds" if slow else f"not reached: {error.reason}"
    except (HTTPException, OSError, ValueError) as error:
        reason = f"cannot be fetched: {error}"
    raise ImageError(f"{_called(url)}: {reason}")


class _Refused(Exception):  # noqa: N818 - never leaves this file
    """A reason, in words for people."""


def _opener() -> request.OpenerDirector:
    """An opener that knows http and https alone: no files, no ftp, also after a redirect."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(cast(request.BaseHandler, handler()))
    return opener


def _content(answer: Any, most_bytes: int, seconds: float, until: float) -> bytes:
    told = answer.headers.get("Content-Length", "")
    length = int(told) if told.isdigit() else None
    too_many = f"more than the {most_bytes:,} bytes allowed"
    if length is not None and length > most_bytes:
        raise _Refused(too_many)
    data = bytearray()
    while chunk := answer.read1(_CHUNK):
        data += chunk
        if len(data) > most_bytes:
            raise _Refused(too_many)
        if time.monotonic() > until:
            raise _Refused(f"takes longer than {seconds:g} seconds")
    if length is not None and len(data) < length:
        raise _Refused(f"broke off after {len(data):,} of {length:,} bytes")
    return bytes(data)


def _called(url: str) -> str:
    """The address without a password that may stand in it."""
    return safe_text(re.sub(r"(?<=//)[^/]*@", "", url, count=1))
