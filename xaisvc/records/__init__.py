"""The durable store of records: events in, the same events out, also after a restart, and proof that they are."""

from xaisvc.records.base import Event, EventKind, Part, RecordStore
from xaisvc.records.checkpoints import Verifier
from xaisvc.records.codec import decode_description, decode_record, encode_description, encode_record
from xaisvc.records.commit_queue import QueueLimits
from xaisvc.records.export import export_events
from xaisvc.records.folder import RecordFolder, store_path, store_paths
from xaisvc.records.memory_store import MemoryRecordStore
from xaisvc.records.randomness import Randomness
from xaisvc.records.retention import DEFAULT_MONTHS
from xaisvc.records.sqlite_store import SqliteRecordStore
from xaisvc.records.store_keys import SIGNING_PUBLIC, StoreKeys, load_subject_keys
from xaisvc.records.subject_keys import MasterKey
from xaisvc.records.usage import USAGE_KINDS, AudienceUsage, usage
from xaisvc.records.verify import verify_store
from xaisvc.records.verify_report import Problem, VerifyReport

__all__ = [
    "DEFAULT_MONTHS",
    "SIGNING_PUBLIC",
    "USAGE_KINDS",
    "AudienceUsage",
    "Event",
    "EventKind",
    "MasterKey",
    "MemoryRecordStore",
    "Part",
    "Problem",
    "QueueLimits",
    "Randomness",
    "RecordFolder",
    "RecordStore",
    "SqliteRecordStore",
    "StoreKeys",
    "Verifier",
    "VerifyReport",
    "decode_description",
    "decode_record",
    "encode_description",
    "encode_record",
    "export_events",
    "load_subject_keys",
    "store_path",
    "store_paths",
    "usage",
    "verify_store",
]
