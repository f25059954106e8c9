"""How good attributions are on public cases: what runs, and what was found."""
