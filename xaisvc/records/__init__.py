"""The durable store of explanation records: bytes in, the same bytes out, also after a restart."""

from xaisvc.records.base import RecordStore
from xaisvc.records.codec import decode_description, decode_record, encode_description, encode_record
from xaisvc.records.memory_store import MemoryRecordStore
from xaisvc.records.sqlite_store import SqliteRecordStore

__all__ = [
    "MemoryRecordStore",
    "RecordStore",
    "SqliteRecordStore",
    "decode_description",
    "decode_record",
    "encode_description",
    "encode_record",
]
