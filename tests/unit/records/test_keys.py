"""Keys: how they are read, made and kept, and that they fit one place only."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.records.events import MASTER
from xaisvc.errors import StoreError
from xaisvc.records import MasterKey, Verifier
from xaisvc.records.checkpoints import Checkpoint, CheckpointFile, Signer
from xaisvc.records.key_files import load_or_make
from xaisvc.records.subject_keys import Envelope, SubjectTags, open_sealed, subject_place

if TYPE_CHECKING:
    from pathlib import Path

SECRET = bytes(range(32))


@pytest.mark.parametrize("text", [SECRET.hex(), f"  {SECRET.hex().upper()}\n", base64.b64encode(SECRET).decode()])
def test_a_master_key_as_text(text: str) -> None:
    assert MasterKey.from_text(text) == MASTER


@pytest.mark.parametrize("content", [SECRET, SECRET.hex().encode() + b"\n", base64.b64encode(SECRET)])
def test_a_master_key_in_a_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    assert MasterKey.from_file(path) == MASTER


@pytest.mark.parametrize("text", ["", "a password", SECRET.hex()[:-2], base64.b64encode(SECRET[:-1]).decode()])
def test_what_is_no_master_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)

    with pytest.raises(
        StoreError, match="neither 64 hexadecimal digits nor base64 of 32 bytes; make one with"
    ) as caught:
        MasterKey.from_text(text)
    with pytest.raises(StoreError, match=f"{path}: the master key is neither"):
        MasterKey.from_file(path)

    assert not text or text not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"key: the master key cannot be read \(No such file or directory\)"):
        MasterKey.from_file(tmp_path / "key")


def test_a_key_fits_its_own_place_and_master_key_only() -> None:
    envelope, place = Envelope(MASTER), subject_place(bytes(16), 1, 1)
    wrapped, key = envelope.new_key(place)
    nonce = bytes(12)
    sealed = nonce + key.encrypt(nonce, b"content", b"here")

    assert open_sealed(envelope.unwrap(wrapped, place), sealed, b"here") == b"content"
    for other in (subject_place(bytes(16), 2, 1), subject_place(bytes(16), 1, 2), subject_place(b"x" * 16, 1, 1)):
        with pytest.raises(StoreError, match="does not fit its key"):
            envelope.unwrap(wrapped, other)
    with pytest.raises(StoreError, match="does not fit its key"):
        Envelope(MasterKey(bytes(32))).unwrap(wrapped, place)
    with pytest.raises(StoreError, match="does not fit its key"):
        open_sealed(key, sealed, b"there")
    with pytest.raises(StoreError, match="does not fit its key"):
        open_sealed(key, b"", b"here")


def test_subjects_have_other_names_under_other_secrets() -> None:
    plain, sealed, other = SubjectTags(SECRET, None), SubjectTags(SECRET, MASTER), SubjectTags(bytes(32), None)

    assert len({plain.tag("ann"), sealed.tag("ann"), other.tag("ann"), plain.tag("bob")}) == 4
    assert sealed.every_tag("ann") == [sealed.tag("ann"), plain.tag("ann")]
    assert plain.tag("ann") == SubjectTags(SECRET, None).tag("ann")


def test_a_key_file_is_made_once_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: load_or_make(path, lambda: os.urandom(32)), range(32)))

    assert found == {path.read_bytes()}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(SECRET)
    path.chmod(0o640)

    with pytest.raises(StoreError, match=f"others than its owner may use this key; run: chmod 600 {path}"):
        load_or_make(path, bytes)


def test_a_signature_is_checked_with_the_public_key_alone(tmp_path: Path) -> None:
    signer = Signer.load_or_make(tmp_path / "signing.key")
    signature = signer.sign(b"content")

    verifier = Verifier.load(tmp_path / "signing.pub")

    assert verifier.accepts(signature, b"content")
    assert not verifier.accepts(signature, b"other content")
    assert not verifier.accepts(b"", b"content")
    assert not Signer.load_or_make(tmp_path / "other.key").verifier.accepts(signature, b"content")
    assert Signer.load_or_make(tmp_path / "signing.key").sign(b"content") == signature  # Ed25519 is deterministic


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no key", "is no signing key; give an unencrypted Ed25519 key in PEM form"), (b"", "is no signing key")],
)
def test_what_is_no_signing_key_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(StoreError, match=message):
        Signer.load_or_make(path)
    with pytest.raises(StoreError, match="is no public key in PEM form"):
        Verifier.load(path)
    with pytest.raises(StoreError, match="the public key cannot be read"):
        Verifier.load(tmp_path / "missing")


def test_keys_of_another_kind_are_told(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "signing.key", tmp_path / "signing.pub"
    pem = serialization.Encoding.PEM
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))

    with pytest.raises(StoreError, match="is no Ed25519 key; make one with: openssl genpkey -algorithm ed25519"):
        Signer.load_or_make(private)
    with pytest.raises(StoreError, match="is no Ed25519 public key"):
        Verifier.load(public)


def test_kept_checkpoints_are_read_back_and_those_of_other_stores_passed_over(tmp_path: Path) -> None:
    path, store, other = tmp_path / "kept.jsonl", bytes(16), b"x" * 16
    points = [Checkpoint(number=i, seq=i * 10, hash=bytes([i] * 32), at="2026", signature=bytes(64)) for i in (1, 2)]
    CheckpointFile(path, store).append(points[:1])
    CheckpointFile(path, other).append(points)
    CheckpointFile(path, store).append(points[1:])

    assert CheckpointFile(path, store).read() == points
    assert CheckpointFile(tmp_path / "missing", store).read() == []


@pytest.mark.parametrize("line", ["no json", "{}", '{"store": 1}', "[]"])
def test_a_line_that_is_no_checkpoint_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_text(line + "\n")

    with pytest.raises(StoreError, match=r"kept.jsonl: line 1 is no checkpoint"):
        CheckpointFile(path, bytes(16)).read()
