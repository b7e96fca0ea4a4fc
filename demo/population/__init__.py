"""How the practice municipality is made: one module per walk of life, each with `add(municipality)`, run in a fixed order."""
