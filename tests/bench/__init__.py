"""The benchmark: loadcore beside its peers. `tests/bench/run --help` says what there is."""
