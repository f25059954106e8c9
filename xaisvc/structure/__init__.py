"""What is studied once per bundle: how its features hang together and how the model relies on them."""
