"""What the service can bear: results of `python -m tests.load`, and the table of them in the documentation."""
