from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyrage
import pytest

from progresswidget.errors import OptionError
from progresswidget.export.encryption import AgeEncryptor
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

IDENTITIES = [pyrage.x25519.Identity.generate() for _ in range(2)]
KEYS = [str(identity.to_public()) for identity in IDENTITIES]


@pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"", b"bc"], [os.urandom(9_000_000)] * 2])
def test_each_recipient_can_read(pieces: list[bytes]) -> None:
    encryptor = AgeEncryptor(KEYS)
    encrypted = b"".join(part for piece in pieces for part in encryptor.feed(piece))
    encrypted += b"".join(encryptor.finish())
    encryptor.close()
    for identity in IDENTITIES:
        assert pyrage.decrypt(encrypted, [identity]) == b"".join(pieces)


def test_what_was_encrypted_since_the_last_bytes_were_fed_is_not_lost() -> None:
    data, encryptor = os.urandom(5_000_000), AgeEncryptor(KEYS)
    encrypted = encryptor.feed(data)
    limit = time.monotonic() + 60
    while sum(map(len, encryptor._output)) < len(data) // 2:
        assert time.monotonic() < limit
        time.sleep(0.001)
    encrypted += encryptor.finish()
    assert pyrage.decrypt(b"".join(encrypted), [IDENTITIES[0]]) == data


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx", "csv.gz"])
def test_an_encrypted_export_is_the_same_file_to_who_has_a_key(ending: str, tmp_path: Path) -> None:
    table = pa.table({"n": range(300_000), "t": [f"{n * n:x}" for n in range(300_000)]})
    plain = Export(table, tmp_path / f"t.{ending}").run(Progress())
    for _ in range(3):
        result = Export(table, tmp_path / f"t.{ending}.age", encrypt_to=KEYS).run(Progress())
        data = result.path.read_bytes()
        assert pyrage.decrypt(data, [IDENTITIES[1]]) == plain.path.read_bytes()
        assert result.bytes == len(data)


@pytest.mark.parametrize("wrong", [[], "age1nothing", 7, [7], "ssh-ed25519 AAAA", KEYS[0][:-1]])
def test_what_is_no_recipient_is_refused(wrong: object) -> None:
    with pytest.raises(OptionError):
        AgeEncryptor(wrong)


def test_a_secret_key_is_refused_and_not_repeated() -> None:
    secret = str(IDENTITIES[0])
    with pytest.raises(OptionError) as refused:
        AgeEncryptor(secret)
    assert secret[16:30] not in str(refused.value)


def test_it_can_be_left_early() -> None:
    encryptor = AgeEncryptor(KEYS[0])
    encryptor.feed(b"a")
    encryptor.close()
    encryptor.close()
    AgeEncryptor(KEYS[0]).close()
