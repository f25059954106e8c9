"""The service under load and faults: `python -m tests.load SCENARIO`. Correctness is asserted, speed is reported."""
