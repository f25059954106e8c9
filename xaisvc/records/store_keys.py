"""The secrets of the record stores in a folder: made on first use, for their owner only."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xaisvc.records.checkpoints import Signer
from xaisvc.records.key_files import load_or_make
from xaisvc.records.subject_keys import KEY_BYTES, Envelope, SubjectTags

if TYPE_CHECKING:
    from pathlib import Path

    from xaisvc.records.subject_keys import MasterKey

SIGNING_KEY: Final = "signing.key"
SIGNING_PUBLIC: Final = "signing.pub"
SUBJECT_SALT: Final = "subjects.salt"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKeys:
    """The secrets of a store.

    Attributes:
        signer: Signs checkpoints.
        tags: Names subjects.
        envelope: Wraps the keys of subjects; None without a master key.
    """

    signer: Signer = field(repr=False)
    tags: SubjectTags = field(repr=False)
    envelope: Envelope | None = field(repr=False, default=None)

    @classmethod
    def load(cls, folder: Path, *, master: MasterKey | None = None, signing_key: Path | None = None) -> StoreKeys:
        """Reads the keys of the stores in a folder; missing ones are made there, for their owner only.

        Args:
            folder: Folder of the stores.
            master: Encrypts contents per subject; without it they are stored as they are.
            signing_key: File of the Ed25519 key (PEM); `signing.key` in the folder by default.

        Raises:
            StoreError: If a key cannot be read or made.
        """
        tags, envelope = load_subject_keys(folder, master)
        return cls(signer=Signer.load_or_make(signing_key or folder / SIGNING_KEY), tags=tags, envelope=envelope)


def load_subject_keys(folder: Path, master: MasterKey | None) -> tuple[SubjectTags, Envelope | None]:
    """What names subjects in the stores of a folder, and what unwraps their keys: all that reading needs.

    Raises:
        StoreError: If the salt cannot be read or made.
    """
    salt = load_or_make(folder / SUBJECT_SALT, lambda: os.urandom(KEY_BYTES))
    return SubjectTags(salt, master), None if master is None else Envelope(master)
