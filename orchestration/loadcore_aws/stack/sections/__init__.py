"""The tables of STACK.toml as frozen values; each says in `faults()` what it cannot be."""
