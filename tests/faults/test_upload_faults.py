"""Uploads that are cut, doubled, stalled and damaged: true offsets, and the right bytes."""

from __future__ import annotations

import hashlib
import json
import random
import select
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import programs
import pytest
from laboratory import Baseline, eventually
from proxy import Fault, FaultProxy
from uploading import OCTETS, Uploader, answer_of, checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laboratory import Answer, Server

    Repetitions = Callable[[int, int], int]

SIZE = 2_000_000
CONTENT = random.Random(3).randbytes(SIZE)
HEAD = 600
"""Bytes of the head of a request, about."""


@pytest.fixture
def tus(server: Server) -> Iterator[Uploader]:
    """A client of the shared server; what it leaves is removed."""
    made: list[str] = []

    class Noting(Uploader):
        def created(self, length: int, *, name: str = "upload.bin", **more: str) -> str:
            made.append(super().created(length, name=name, **more))
            return made[-1]

    yield Noting(server)
    for upload in made:
        Uploader(server).send("DELETE", upload)


def test_row_22_a_request_that_is_sent_twice_counts_once(tus: Uploader) -> None:
    upload = tus.created(SIZE)
    assert tus.patch(upload, 0, CONTENT[:1000]).status == 204
    again = tus.patch(upload, 0, CONTENT[:1000])
    assert (again.status, again.code, again.offset) == (409, "offset-conflict", 1000)
    assert tus.offset(upload) == 1000
    tus.finish(upload, CONTENT)
    assert tus.target.read_bytes() == CONTENT


OFFSETS = {
    "ahead": "1001",
    "behind": "999",
    "far ahead": str(SIZE + 1),
    "zero": "0",
    "negative": "-1",
    "thirty digits": "9" * 30,
    "text": "here",
    "empty": "",
    "hexadecimal": "0x3e8",
    "signed": "+1000",
    "a fraction": "1000.0",
    "an exponent": "1e3",
    "two numbers": "1000, 1000",
    "other digits": "\u0661\u0660\u0660\u0660".encode().decode("latin-1"),
}


@pytest.mark.parametrize("offset", OFFSETS)
def test_row_23_another_offset_changes_nothing(tus: Uploader, offset: str) -> None:
    upload = tus.created(SIZE)
    tus.patch(upload, 0, CONTENT[:1000])
    answer = tus.patch(upload, OFFSETS[offset], CONTENT[1000:2000])
    assert answer.status in {400, 409}
    assert tus.offset(upload) == 1000
    tus.finish(upload, CONTENT)
    assert tus.target.read_bytes() == CONTENT


@pytest.mark.parametrize("value", ["md4 AAAA", "sha256", "sha256 ====", "sha256 AAAA", "sha256:x"])
def test_row_24_an_unclear_checksum_takes_no_byte(tus: Uploader, value: str) -> None:
    upload = tus.created(SIZE)
    assert tus.patch(upload, 0, CONTENT, Upload_Checksum=value).status == 400
    assert tus.offset(upload) == 0


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5", "xxh128"])
def test_row_24_a_flipped_bit_is_never_stored(
    tus: Uploader,
    proxy: FaultProxy,
    algorithm: str,
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    upload = tus.created(SIZE)
    through = Uploader(tus.server, proxy.port)
    body = CONTENT[:100_000]
    for _ in range(repetitions(10, 100)):
        proxy.once(Fault("flip", "up", HEAD + chance.randrange(len(body) - HEAD)))
        answer = through.patch(upload, 0, body, Upload_Checksum=checksum(body, algorithm))
        assert (answer.status, answer.code, answer.offset) == (460, "checksum-mismatch", 0)
    assert len(proxy.struck) == repetitions(10, 100)
    tus.finish(upload, CONTENT, chunk=100_000, checked=True)
    assert tus.target.read_bytes() == CONTENT


@pytest.mark.parametrize("checked", [False, True], ids=["plain", "with checksums"])
def test_row_25_a_cut_upload_goes_on(
    tus: Uploader,
    proxy: FaultProxy,
    checked: bool,  # noqa: FBT001
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    through = Uploader(tus.server, proxy.port)
    for attempt in range(repetitions(3, 40)):
        upload = tus.created(SIZE, name=f"{attempt}.bin", overwrite="true")
        proxy.most = len(proxy.struck) + 5
        proxy.script = lambda _: (anywhere(chance),)
        start = time.monotonic()
        sent = through.finish(upload, CONTENT, chunk=300_000, checked=checked)
        assert (tus.server.root / f"{attempt}.bin").read_bytes() == CONTENT
        # Without checksums only what was on its way is sent again.
        assert sent < SIZE + 6 * 300_000
        assert time.monotonic() - start < 5 * 5
    print(f"{len(proxy.struck)} connections were broken")
    assert len(proxy.struck) >= repetitions(3, 40)


def anywhere(chance: random.Random) -> Fault:
    """Return a break anywhere: in the head or body of the request, or in the answer."""
    kind = chance.choice(["cut", "reset"])
    if chance.random() < 0.3:
        return Fault(kind, "down", chance.randrange(HEAD))  # type: ignore[arg-type]
    return Fault(kind, "up", chance.randrange(chance.choice([HEAD, 300_000])))  # type: ignore[arg-type]


@pytest.mark.parametrize("silence", ["a client that sleeps", "a cable that was pulled out"])
def test_row_26_a_newer_request_takes_over_from_a_silent_one(
    tus: Uploader, proxy: FaultProxy, silence: str
) -> None:
    upload = tus.created(SIZE)
    through = tus
    if silence == "a cable that was pulled out":
        through = Uploader(tus.server, proxy.port)
        proxy.once(Fault("hole", "up", 300_000))
    with through.begin(upload, 0, SIZE) as silent:
        silent.sendall(CONTENT[:400_000])
        eventually(tus.server.files_held)
        start = time.monotonic()
        tus.finish(upload, CONTENT)
        assert time.monotonic() - start < 20, "the idle time-out is half a minute"
    assert tus.target.read_bytes() == CONTENT


def test_row_26_silence_ends_a_body_and_keeps_its_bytes(own: Callable[..., Server]) -> None:
    server = own(settings={"upload_idle_timeout": 1.0}).start()
    baseline = Baseline(server)
    tus = Uploader(server)
    upload = tus.created(SIZE)
    with tus.begin(upload, 0, SIZE) as silent:
        silent.sendall(CONTENT[:300_000])
        answer = answer_of(silent)
        assert (answer.status, answer.code) == (408, "upload-idle")
        eventually(lambda: not server.files_held())
        assert tus.offset(upload) == 300_000
    tus.finish(upload, CONTENT)
    assert tus.target.read_bytes() == CONTENT
    baseline.assert_back()


def test_row_27_of_four_at_once_one_counts(tus: Uploader, repetitions: Repetitions) -> None:
    for attempt in range(repetitions(3, 30)):
        upload = tus.created(SIZE, name=f"{attempt}.bin")
        gate = threading.Barrier(4)

        def send() -> int:
            gate.wait()  # noqa: B023 - used within its turn of the loop
            try:
                return tus.patch(upload, 0, CONTENT).status  # noqa: B023
            except OSError:
                return 0

        with ThreadPoolExecutor(4) as pool:
            statuses = [result.result() for result in [pool.submit(send) for _ in range(4)]]
        assert statuses.count(204) <= 1, statuses
        assert set(statuses) <= {0, 204, 409, 423}
        tus.finish(upload, CONTENT)
        assert (tus.server.root / f"{attempt}.bin").read_bytes() == CONTENT


def test_row_28_no_more_than_the_length_is_stored(tus: Uploader) -> None:
    upload = tus.created(1000)
    assert tus.patch(upload, 0, CONTENT[:1001]).status == 413
    assert tus.offset(upload) == 0
    # The length is not told: it is noticed when the byte beyond it comes.
    request = (
        f"PATCH {tus.server.base}uploads/{upload} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: token {tus.server.token}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {OCTETS}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with tus.server.connect() as connection:
        connection.sendall(request.encode() + b"800\r\n" + CONTENT[:2048] + b"\r\n0\r\n\r\n")
        assert answer_of(connection).status == 413
    assert tus.offset(upload) <= 1000
    # More bytes than Content-Length are the next request, and no part of this one.
    with tus.begin(upload, 0, 500) as connection:
        connection.sendall(CONTENT[:700])
        assert answer_of(connection).status == 204
    assert tus.offset(upload) == 500
    tus.finish(upload, CONTENT[:1000])
    assert tus.target.read_bytes() == CONTENT[:1000]


def generated(server: Server, size: int) -> None:
    """Send a file of `size` bytes as one PATCH with curl, and watch the server."""
    tus = Uploader(server)
    upload = tus.created(size)
    source = server.folder / "source.bin"
    with source.open("wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(CONTENT)
    fields = {
        "Authorization": f"token {server.token}",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": OCTETS,
    }
    headers = [part for name in fields for part in ("-H", f"{name}: {fields[name]}")]
    command = [programs.path("curl"), "-q", "-sS", "-f", "-X", "PATCH", "-T", str(source)]
    tus.patch(tus.created(1000, name="first.bin"), 0, CONTENT[:1000])
    before = most = server.rss()
    url = server.url(f"uploads/{upload}")
    with server.watched(), subprocess.Popen([*command, *headers, url]) as process:
        while process.poll() is None:
            most = max(most, server.rss())
            time.sleep(0.02)
    assert process.returncode == 0
    with source.open("rb") as one, tus.target.open("rb") as two:
        digests = [hashlib.file_digest(file, "sha256").hexdigest() for file in (one, two)]
    assert digests[0] == digests[1]
    growth = (most - before) / 2**20
    print(f"{size >> 20} MiB in one PATCH: memory +{growth:.1f} MiB")
    assert growth < 16
    source.unlink()
    tus.target.unlink()


@pytest.mark.faults
def test_row_29_one_large_request(own: Callable[..., Server]) -> None:
    generated(own().start(), 700 << 20)


@pytest.mark.faults
def test_row_29_one_very_large_request(own: Callable[..., Server]) -> None:
    generated(own().start(), 5 << 30)


def test_row_29_too_much_is_refused_before_it_comes(own: Callable[..., Server]) -> None:
    server = own(settings={"max_upload_size": 10_000_000}).start()
    tus = Uploader(server)
    answer = tus.create(10_000_001)
    assert (answer.status, answer.code) == (413, "too-large")
    assert server.staged() == []


@pytest.mark.parametrize("token", ["wr0ng", None], ids=["a wrong token", "no token"])
def test_row_29_a_stranger_gets_few_bytes_in(tus: Uploader, token: str | None) -> None:
    upload = tus.created(1 << 30)
    stranger = Uploader(tus.server, token=token or "wr0ng")
    with stranger.begin(upload, 0, 1 << 30) as connection:
        # What waits in the client's own buffer has got in nowhere.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        sent = 0
        try:
            while sent < 1 << 30:
                sent += connection.send(CONTENT[:65536])
        except ConnectionError:
            pass
    print(f"{sent >> 10} KiB were sent")
    assert sent <= 4 << 20
    assert tus.offset(upload) == 0


def test_row_30_lost_answers_make_no_second_upload(tus: Uploader, proxy: FaultProxy) -> None:
    through = Uploader(tus.server, proxy.port)
    proxy.once(Fault("cut", "down", 0))
    with pytest.raises((OSError, ConnectionError)):
        through.create(SIZE, Idempotency_Key="once")
    upload = tus.created(SIZE, Idempotency_Key="once")
    assert len(tus.server.staged()) == 1
    proxy.once(Fault("cut", "down", 0))
    with pytest.raises((OSError, ConnectionError)):
        through.patch(upload, 0, CONTENT)
    assert len(proxy.struck) == 2
    eventually(tus.target.exists)
    assert through.offset(upload) == SIZE
    assert tus.created(SIZE, Idempotency_Key="once") == upload
    assert tus.target.read_bytes() == CONTENT
    assert [path.name for path in tus.server.root.iterdir()] == ["upload.bin"]


def test_row_30_a_lost_answer_makes_no_second_job(server: Server, proxy: FaultProxy) -> None:
    order = json.dumps({"name": "a.csv", "path": "/elsewhere/a.csv"}).encode()

    def make(port: int | None = None) -> Answer:
        headers = {"Idempotency-Key": '"once"'}
        return server.request("POST", "api/jobs", headers=headers, body=order, port=port)

    proxy.once(Fault("cut", "down", 0))
    with pytest.raises((OSError, ConnectionError)):
        make(proxy.port)
    first, again = make(), make(proxy.port)
    assert (first.status, again.status) == (201, 201)
    (job,) = server.request("GET", "api/jobs").json
    assert job["taskId"] == first.json["taskId"] == again.json["taskId"]


def test_row_31_an_expired_upload_is_gone(own: Callable[..., Server]) -> None:
    server = own(settings={"upload_expiry": 2.0, "reap_interval": 0.1}).start()
    tus = Uploader(server)
    upload = tus.created(SIZE)
    tus.patch(upload, 0, CONTENT[:1000])
    eventually(lambda: not server.staged())
    for answer in (tus.head(upload), tus.patch(upload, 1000, b"x")):
        assert answer.status == 410
    assert list(server.root.iterdir()) == []


def test_row_32_abandoned_uploads_fill_no_more_than_the_quota(own: Callable[..., Server]) -> None:
    quota, most = 1_000_000, 64
    server = own(settings={"upload_quota": quota, "max_uploads_per_user": most}).start()
    tus = Uploader(server)
    statuses = []
    for attempt in range(1000):
        answer = tus.create(50_000, name=f"{attempt}.bin")
        statuses.append(answer.status)
        if answer.status == 201:
            tus.patch(answer.headers["Location"], 0, CONTENT[:49_000])
    assert statuses.count(201) == quota // 50_000
    assert set(statuses) == {201, 507}
    used = sum(path.stat().st_size for path in server.staged())
    assert used <= quota
    # Small ones count as well, and another owner has a quota of his own.
    small = [tus.create(0, name="a", Idempotency_Key=str(n)).status for n in range(2)]
    assert set(small) <= {201, 409, 429}
    kernel = Uploader(server, kernel=True)
    kernel.finish(kernel.created(SIZE // 4, name="kernel.bin"), CONTENT[: SIZE // 4])
    assert (server.root / "kernel.bin").read_bytes() == CONTENT[: SIZE // 4]


def test_row_32_open_uploads_are_counted(own: Callable[..., Server]) -> None:
    server = own(settings={"max_uploads_per_user": 8}).start()
    tus = Uploader(server)
    answers = [tus.create(10, name=f"{attempt}.bin") for attempt in range(20)]
    assert [answer.status for answer in answers] == [201] * 8 + [429] * 12
    assert int(answers[-1].headers["Retry-After"]) > 0
    tus.send("DELETE", answers[0].headers["Location"])
    assert tus.create(10).status == 201


def honest(tus: Uploader, name: str) -> float:
    """Upload a file and return its bytes per second."""
    content = CONTENT * 16
    upload = tus.created(len(content), name=name)
    start = time.monotonic()
    assert tus.patch(upload, 0, content).status == 204
    return len(content) / (time.monotonic() - start)


@pytest.mark.faults
def test_row_33_those_who_send_slowly_slow_nobody_down(own: Callable[..., Server]) -> None:
    # However long it takes here, nobody is sent away for being slow.
    settings = {"max_uploads_per_user": 1000, "head_timeout": 3600.0}
    server = own(settings=settings).start()
    tus = Uploader(server)
    beside, alone = 0.0, max(honest(tus, f"alone-{turn}.bin") for turn in range(5))
    heads = [server.connect() for _ in range(100)]
    bodies = [tus.begin(tus.created(1000, name=f"{n}.bin"), 0, 1000) for n in range(100)]
    over = threading.Event()

    def drip() -> None:
        request = iter(f"GET {server.base}api/jobs HTTP/1.1\r\nX: {'x' * 10_000}")
        while not over.wait(1):
            letter = next(request).encode()
            for connection in (*heads, *bodies):
                connection.send(letter)

    with ThreadPoolExecutor(1) as pool:
        dripping = pool.submit(drip)
        try:
            with server.watched():
                # Others may have the machine meanwhile, but not at each of so many turns.
                for turn in range(30):
                    beside = max(beside, honest(tus, f"beside-{turn}.bin"))
                    if beside >= 0.8 * alone:
                        break
        finally:
            over.set()
        dripping.result()
    for connection in (*heads, *bodies):
        connection.close()
    print(f"alone {alone / 2**20:.0f} MiB/s, beside 200 slow ones {beside / 2**20:.0f} MiB/s")
    assert beside >= 0.8 * alone
    eventually(lambda: not server.files_held())


def test_row_33_a_head_that_never_ends_is_cut(own: Callable[..., Server]) -> None:
    server = own(settings={"head_timeout": 1.0}).start()
    baseline = Baseline(server)
    request = f"GET {server.base}api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    start = time.monotonic()  # the server's time begins at once, whoever has the machine then
    with server.connect() as slow, server.connect() as silent:
        slow.sendall(request.encode())
        with suppress(ConnectionError):
            while select.select([slow], [], [], 0.1)[0] == []:
                slow.send(b"x")
        assert 0.9 < time.monotonic() - start < 10
        assert silent.recv(1) == b""
    baseline.assert_back()
    server.stop()
