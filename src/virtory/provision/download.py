"""One file from a web server, whole: with progress, resumption and bounds on everything.

The rule kept here: nothing the server says is believed. A transfer that breaks is taken up again
only where the server proves that the file is still the same one (RFC 9110 §13.1.5, If-Range).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from virtory.provision.errors import DownloadFailed
from virtory.provision.steps import Report, Step, silent

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 30.0
MOST_REDIRECTS = 5
MOST_FAILURES = 5
LARGEST = 64 << 30
_BLOCK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(slots=True)
class _State:
    """What a partial file is a part of; kept beside it."""

    url: str
    validator: str = ""
    total: int | None = None


class _Broken(Exception):
    """The transfer ended early; it may be taken up again."""


def download(
    url: str,
    target: Path,
    report: Report = silent,
    *,
    largest: int = LARGEST,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Fetch `url` into the file `target`; a part left by an earlier call is taken up again.

    `timeout_s` bounds every wait for the server, not the whole. Raises `DownloadFailed`; the part
    that has arrived is kept when it can be of use.
    """
    check_url(url)
    part, note = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.json")
    state = _remembered(url, part, note)
    failures = 0
    while True:
        had = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, note, state, report, largest, timeout_s)
            break
        except _Broken as broken:
            now = part.stat().st_size if part.exists() else 0
            failures = 1 if now > had else failures + 1
            if failures >= MOST_FAILURES:
                raise DownloadFailed(
                    f"the transfer of {url} broke off after {now} bytes: {broken}",
                    cure="try again: what has arrived is kept and taken up",
                ) from None
            time.sleep(0.1 * failures)
    part.replace(target)
    note.unlink(missing_ok=True)
    return target


def check_url(url: str) -> None:
    """Raise `DownloadFailed` for anything but http and https with a host."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadFailed(
            f"'{url}' is not an address that images are fetched from",
            cure="use http:// or https://",
        )


def _remembered(url: str, part: Path, note: Path) -> _State:
    try:
        state = _State(**json.loads(note.read_text("utf-8")))
        if state.url == url and state.validator and part.exists():
            return state
    except (OSError, ValueError, TypeError):
        pass
    part.unlink(missing_ok=True)
    return _State(url)


def _transfer(
    url: str,
    part: Path,
    note: Path,
    state: _State,
    report: Report,
    largest: int,
    timeout_s: float,
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have and not state.validator:
        have = 0
    if have and have == state.total:
        return
    headers = {"User-Agent": "virtory", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": state.validator}
    with _opened(url, headers, timeout_s) as response:
        start, total = _placed(url, response, have, state)
        if total is not None and total > largest:
            raise DownloadFailed(f"{url} has {total} bytes; at most {largest} are taken")
        _check_room(part.parent, (total or 0) - start, url)
        state.validator, state.total = _validator(response), total
        note.write_text(json.dumps(asdict(state)), "utf-8")
        with open(part, "ab" if start else "wb") as file:
            file.truncate(start)
            _copy(url, response, file, start, total, report, largest)


def _opened(url: str, headers: dict[str, str], timeout_s: float) -> Any:
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.build_opener(_Redirects()).open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 or error.code >= 500 or error.code == 429:
                raise _Broken(f"the server answered {error.code} {error.reason}") from None
            raise DownloadFailed(
                f"the server answered {error.code} {error.reason} for {url}",
                cure="check the address",
            ) from None
    except (urllib.error.URLError, OSError, HTTPException) as error:
        raise _Broken(str(getattr(error, "reason", error))) from None


def _placed(url: str, response: Any, have: int, state: _State) -> tuple[int, int | None]:
    """Where the body begins in the file, and how large the file is."""
    length = _number(response.headers.get("Content-Length"))
    if response.status != 206:
        return 0, length
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match.group(1)) != have:
        state.validator = ""
        raise _Broken("the server sent another part than was asked for")
    total = None if match.group(3) == "*" else int(match.group(3))
    if state.total is not None and total != state.total:
        state.validator = ""
        raise _Broken("the file changed on the server")
    return have, total


def _copy(
    url: str,
    response: Any,
    file: Any,
    start: int,
    total: int | None,
    report: Report,
    largest: int,
) -> None:
    done, said = start, 0.0
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, HTTPException) as error:
            raise _Broken(str(error) or type(error).__name__) from None
        if not block:
            break
        done += len(block)
        if done > largest:
            raise DownloadFailed(f"{url} sends more than the {largest} bytes that are taken")
        file.write(block)
        if time.monotonic() - said > 0.1:
            said = time.monotonic()
            report(Step("download", None, done, total))
    if total is not None and done != total:
        raise _Broken(f"{total} bytes were promised and {done} arrived")
    report(Step("download", None, done, done))


def _validator(response: Any) -> str:
    """A strong validator for `If-Range`; empty when the server gives none (RFC 9110 §8.8)."""
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return response.headers.get("Last-Modified", "") or ""


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _check_room(directory: Path, wanted: int, url: str) -> None:
    free = shutil.disk_usage(directory).free
    if wanted > free:
        raise DownloadFailed(
            f"{url} needs {wanted} more bytes and {directory} has {free} free",
            cure="make room, or set VIRTORY_DATA to a directory on a larger disk",
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """At most `MOST_REDIRECTS`, to http or https only, and never from https down to http."""

    max_redirections = MOST_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        check_url(newurl)
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme != "https":
            raise DownloadFailed(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        tried = len(getattr(req, "redirect_dict", {}))
        if tried >= MOST_REDIRECTS:
            raise DownloadFailed(
                f"{req.full_url} redirects again and again", cure="check the address"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def partial_name(url: str, name: str) -> str:
    """What a part of `url` is kept as between calls; each image that is made has its own."""
    import hashlib

    return f".download-{hashlib.sha256(os.fsencode(f'{name} {url}')).hexdigest()[:16]}"
