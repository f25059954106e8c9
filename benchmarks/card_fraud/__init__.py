"""A second use case: card payments of a simulated bank, some of them fraud, and the model that looks for them."""
