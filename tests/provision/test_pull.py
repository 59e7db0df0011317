"""Pulling images from a server that breaks off, lies and redirects."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.request import Request

import pytest
from tests.provision.conftest import qcow2

from virtory.provision.download import _Redirects, download
from virtory.provision.errors import BadImage, DownloadFailed, ImageInUse
from virtory.provision.pull import guess_user, name_of, pull

if TYPE_CHECKING:
    from pathlib import Path

    from virtory.provision.images import ImageStore
    from virtory.provision.steps import Step

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each path by a function; `asked` are the requests' paths and Range headers."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Range")))
                answer = outer.answers.get(self.path)
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}{path}"

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def head(handler: BaseHTTPRequestHandler, status: int, **headers: object) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def whole(data: bytes, **headers: object) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        head(handler, 200, Content_Length=len(data), **headers)
        handler.wfile.write(data)

    return answer


def breaking(data: bytes, *pieces: int, etag: str = '"v1"') -> Answer:
    """Sends `pieces[0]` bytes of what is asked for, then breaks off; next time `pieces[1]` …"""
    left = list(pieces)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        start = 0
        if wanted and handler.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        rest = data[start:]
        where = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        head(handler, 206 if start else 200, Content_Length=len(rest), ETag=etag, **where)
        handler.wfile.write(rest[: left.pop(0)] if left else rest)

    return answer


@pytest.fixture
def disk(tmp_path: Path) -> bytes:
    path = tmp_path / "made.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "4M"], check=True)
    return path.read_bytes()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout


def left_in(store: ImageStore) -> list[str]:
    names = (path.name for path in store.directory.iterdir())
    return sorted(name for name in names if not name.endswith(".lock"))


def test_a_qcow2_image_arrives_as_it_was(server: Server, store: ImageStore, disk: bytes) -> None:
    server.answers["/debian-13.qcow2"] = whole(disk)
    steps: list[Step] = []
    image = pull(
        server.url("/debian-13.qcow2"),
        store,
        steps.append,
        checksum=sha256(disk).upper().replace("SHA256", "sha256"),
    )
    assert (image.name, image.user, image.virtual_size) == ("debian-13", "debian", 4 << 20)
    assert image.checksum == sha256(disk) and image.disk.read_bytes() == disk
    assert any(step.done == step.total == len(disk) for step in steps)
    assert left_in(store) == ["debian-13"]


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd)],
)
def test_a_compressed_raw_image_becomes_qcow2(
    server: Server, store: ImageStore, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    raw = b"boot" + bytes((2 << 20) - 4)
    server.answers[f"/x.raw{ending}"] = whole(pack(raw))
    image = pull(server.url(f"/x.raw{ending}"), store, user="me")
    assert (image.name, image.user, image.virtual_size) == ("x", "me", 2 << 20)
    back = image.directory / "back.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image.disk, back], check=True)
    assert back.read_bytes() == raw


def test_a_wrong_checksum_leaves_nothing(server: Server, store: ImageStore, disk: bytes) -> None:
    server.answers["/a.qcow2"] = whole(disk)
    with pytest.raises(DownloadFailed, match="was expected"):
        pull(server.url("/a.qcow2"), store, checksum=sha256(b"other"))
    assert left_in(store) == []


@pytest.mark.parametrize("checksum", ["", "md5:00", "sha256:xyz", "deadbeef"])
def test_what_is_no_checksum_is_refused_before_anything_is_fetched(
    server: Server, store: ImageStore, checksum: str
) -> None:
    with pytest.raises(DownloadFailed):
        pull(server.url("/none.qcow2"), store, checksum=checksum or "sha256:")
    assert server.asked == []


def test_a_broken_transfer_is_taken_up_where_it_broke(
    server: Server, store: ImageStore, disk: bytes
) -> None:
    server.answers["/a.qcow2"] = breaking(disk, 1000, 2000)
    image = pull(server.url("/a.qcow2"), store, checksum=sha256(disk))
    assert image.disk.read_bytes() == disk
    assert [wanted for _, wanted in server.asked] == [None, "bytes=1000-", "bytes=3000-"]


def test_a_later_call_takes_up_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    data = bytes(range(256)) * 64
    server.answers["/a"] = breaking(data, 4000, 0, 0, 0, 0, 0)
    with pytest.raises(DownloadFailed, match="broke off after 4000 bytes"):
        download(server.url("/a"), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    server.answers["/a"] = breaking(data)
    server.asked.clear()
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == data
    assert server.asked == [("/a", "bytes=4000-")]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_changed_in_between_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    old, new = b"o" * 9000, b"n" * 9000
    server.answers["/a"] = breaking(old, 4000, 0, 0, 0, 0, 0, etag='"old"')
    with pytest.raises(DownloadFailed):
        download(server.url("/a"), tmp_path / "a")
    server.answers["/a"] = breaking(new, etag='"new"')
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == new


def test_without_a_validator_a_part_is_worth_nothing(server: Server, tmp_path: Path) -> None:
    data = b"d" * 9000
    server.answers["/a"] = breaking(data, 4000, etag='W/"weak"')
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == data
    assert [wanted for _, wanted in server.asked] == [None, None]


def test_a_part_that_was_not_asked_for_is_not_appended(server: Server, tmp_path: Path) -> None:
    data = b"0123456789" * 900
    first = breaking(data, 4000)

    def lying(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Range") is None:
            first(handler)
            return
        body = data[5000:]
        where = f"bytes 5000-{len(data) - 1}/{len(data)}"
        head(handler, 206, Content_Length=len(body), Content_Range=where, ETag='"v1"')
        handler.wfile.write(body)

    server.answers["/a"] = lying
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == data


def test_more_bytes_than_promised_are_not_read(server: Server, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        head(handler, 200, Content_Length=100)
        handler.wfile.write(b"x" * 5000)

    server.answers["/a"] = answer
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == b"x" * 100


def test_a_body_without_length_is_bounded(server: Server, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        head(handler, 200)
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    server.answers["/a"] = answer
    with pytest.raises(DownloadFailed, match="more than the 1000000 bytes"):
        download(server.url("/a"), tmp_path / "a", largest=1_000_000)
    server.answers["/b"] = whole(b"x" * 2000)
    with pytest.raises(DownloadFailed, match="at most 1000 are taken"):
        download(server.url("/b"), tmp_path / "b", largest=1000)


def test_a_server_that_falls_silent_is_given_up(server: Server, tmp_path: Path) -> None:
    over = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        head(handler, 200, Content_Length=100)
        handler.wfile.write(b"x")
        handler.wfile.flush()
        over.wait(60)

    server.answers["/a"] = answer
    try:
        with pytest.raises(DownloadFailed, match="broke off"):
            download(server.url("/a"), tmp_path / "a", timeout_s=0.1)
    finally:
        over.set()


def redirect(to: str) -> Answer:
    return lambda handler: head(handler, 302, Location=to, Content_Length=0)


def test_a_redirect_is_followed_with_its_range(server: Server, tmp_path: Path) -> None:
    data = b"r" * 9000
    server.answers["/a"] = redirect("/b")
    server.answers["/b"] = breaking(data, 4000)
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == data
    assert server.asked[-2:] == [("/a", "bytes=4000-"), ("/b", "bytes=4000-")]


def test_a_redirect_asks_the_other_server_under_its_own_name(
    server: Server, tmp_path: Path
) -> None:
    hosts: list[str] = []

    def named(handler: BaseHTTPRequestHandler) -> None:
        hosts.append(handler.headers["Host"])
        whole(b"data")(handler)

    server.answers["/b"] = named
    elsewhere = server.url("/b").replace("127.0.0.1", "127.1")
    server.answers["/a"] = redirect(elsewhere)
    assert download(server.url("/a"), tmp_path / "a").read_bytes() == b"data"
    assert hosts == [elsewhere.removeprefix("http://").removesuffix("/b")]


@pytest.mark.parametrize("to", ["http://127.0.0.1/b", "HTTP://127.0.0.1/b"])
def test_a_redirect_does_not_lead_from_encrypted_to_plain(to: str) -> None:
    asked = Request("https://127.0.0.1/a")
    with pytest.raises(DownloadFailed, match="not encrypted"):
        _Redirects().redirect_request(asked, None, 302, "Found", {}, to)


def test_redirects_that_never_end_are_ended(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = redirect("/b")
    server.answers["/b"] = redirect("/a")
    with pytest.raises(DownloadFailed, match="redirect"):
        download(server.url("/a"), tmp_path / "a")
    for number in range(30):
        server.answers[f"/{number}"] = redirect(f"/{number + 1}")
    with pytest.raises(DownloadFailed, match="redirects again and again"):
        download(server.url("/0"), tmp_path / "a")


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://x/y", "http:///nohost"])
def test_a_redirect_to_elsewhere_than_the_web_is_refused(
    server: Server, tmp_path: Path, to: str
) -> None:
    server.answers["/a"] = redirect(to)
    with pytest.raises(DownloadFailed):
        download(server.url("/a"), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", "http://"])
def test_only_web_addresses_are_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadFailed, match="not an address"):
        download(url, tmp_path / "a")


def test_a_missing_file_is_an_error_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="404"):
        download(server.url("/none"), tmp_path / "a")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (qcow2(backing="/etc/shadow"), "/etc/shadow"),
        (qcow2(incompatible=4), "external data file"),
        (b"<html>Sorry</html>".ljust(1024), "web page"),
        (b"KDMV".ljust(1024), "VMDK"),
    ],
)
def test_a_hostile_or_foreign_file_becomes_no_image(
    server: Server, store: ImageStore, data: bytes, said: str
) -> None:
    server.answers["/a.qcow2"] = whole(data)
    with pytest.raises(BadImage, match=said):
        pull(server.url("/a.qcow2"), store)
    assert left_in(store) == []


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd])
def test_a_bomb_is_not_unpacked_to_the_end(
    server: Server, store: ImageStore, pack: Callable[[bytes], bytes]
) -> None:
    server.answers["/a.raw"] = whole(pack(bytes(8 << 20)))
    with pytest.raises(BadImage, match="unpacks to more"):
        pull(server.url("/a.raw"), store, largest=1 << 20)
    assert left_in(store) == []


def test_a_compressed_file_that_is_cut_off_is_damaged(server: Server, store: ImageStore) -> None:
    server.answers["/b.raw.xz"] = whole(lzma.compress(bytes(1 << 20))[:-40])
    with pytest.raises(BadImage, match="damaged"):
        pull(server.url("/b.raw.xz"), store)
    assert left_in(store) == []


def test_an_image_that_exists_is_kept(server: Server, store: ImageStore, disk: bytes) -> None:
    server.answers["/a.qcow2"] = whole(disk)
    pull(server.url("/a.qcow2"), store)
    with pytest.raises(ImageInUse):
        pull(server.url("/a.qcow2"), store)
    pull(server.url("/a.qcow2"), store, replace=True, user="other")
    assert store.find("a").user == "other"


def test_names_and_users_come_from_the_address() -> None:
    assert name_of("https://x/y/debian-12-generic-amd64.qcow2?x=1") == "debian-12-generic-amd64"
    assert name_of("http://x/disk.raw.xz") == "disk"
    assert guess_user("Fedora-Cloud-42") == "fedora"
    assert guess_user("mine") == "root"
