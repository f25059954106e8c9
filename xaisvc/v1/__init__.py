"""Generated from `protos/xaisvc/v1`; `make protos` writes it anew. Never edited by hand."""
