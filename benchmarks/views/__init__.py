"""How fast views are made."""
