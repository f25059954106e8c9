"""Who asks, and what they may ask for."""

from __future__ import annotations

from dataclasses import dataclass

RAW_AUDIENCE = "data_scientist"
"""The audience whose readers may see raw attributions, base values and every feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One caller with their rights. None for a set of names means all of them.

    Attributes:
        id: Stable name of the caller, as records keep it; never a secret.
        tenant: Whose cached answers the caller shares; callers of different tenants never share one.
        bundles: Bundles that exist for this caller; for them, all others do not.
        audiences: Audiences whose views the caller may have.
        methods: Attribution methods the caller may name; `auto` is always allowed.
        rows_per_minute: Most rows explained in a minute; None for no bound.
    """

    id: str
    tenant: str = ""
    bundles: frozenset[str] | None = None
    audiences: frozenset[str] | None = None
    methods: frozenset[str] | None = None
    rows_per_minute: int | None = None

    @property
    def sees_numbers(self) -> bool:
        """Whether the caller may see raw attributions, base values and withheld features."""
        return self.audiences is None or RAW_AUDIENCE in self.audiences

    def may_use_bundle(self, name: str) -> bool:
        """Whether this bundle exists for the caller."""
        return self.bundles is None or name in self.bundles

    def may_read_as(self, audience: str) -> bool:
        """Whether the caller may have views of this audience."""
        return self.audiences is None or audience in self.audiences

    def may_name_method(self, method: str) -> bool:
        """Whether the caller may ask for this method; `auto` is for everybody."""
        return method == "auto" or self.methods is None or method in self.methods


LOCAL = Caller(id="local")
"""Whoever calls from the same machine or process where no tokens are in use: may do everything."""
