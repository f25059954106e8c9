"""One scenario in each module."""
