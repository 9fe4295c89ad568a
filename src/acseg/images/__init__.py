"""Finding and reading photographs of any common kind, and writing what was found in them."""
