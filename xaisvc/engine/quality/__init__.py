"""How good attributions of a bundle are: what is measured, of which methods, and what came of it."""
