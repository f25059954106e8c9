"""The demonstration: two credit models, five real applicants, five readers, from one command."""

from xaisvc.demo.run import run_demo

__all__ = ["run_demo"]
