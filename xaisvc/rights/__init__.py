"""Who may ask for what: tokens with their scopes, the file that keeps them, and the rows a minute of each caller."""

from xaisvc.rights.addresses import is_loopback_host, is_loopback_target
from xaisvc.rights.rates import Rates
from xaisvc.rights.rights import NOT_AUTHENTICATED, Rights
from xaisvc.rights.token_file import TOKENS_FILE, TokenFile
from xaisvc.rights.token_text import public_fields
from xaisvc.rights.tokens import LONGEST, Grant, Token, digest_of, issue, split_token
from xaisvc.rights.watch import TokenWatch

__all__ = [
    "LONGEST",
    "NOT_AUTHENTICATED",
    "TOKENS_FILE",
    "Grant",
    "Rates",
    "Rights",
    "Token",
    "TokenFile",
    "TokenWatch",
    "digest_of",
    "is_loopback_host",
    "is_loopback_target",
    "issue",
    "public_fields",
    "split_token",
]
