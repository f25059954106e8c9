"""The use cases: look up, compute, attach caveats, record, render."""
