from __future__ import annotations

import os

import pyrage
import pytest

from progresswidget.errors import OptionError
from progresswidget.export.encryption import AgeEncryptor

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
