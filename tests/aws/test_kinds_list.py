"""No kind of resource is left out of a list that it has to stand in."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from loadcore_aws.stack import kinds, removal


def test_every_kind_that_is_written_is_found_and_removed() -> None:
    modules = [
        import_module(f"{kinds.__name__}.{each.name}") for each in iter_modules(kinds.__path__)
    ]
    written = [kind for module in modules for kind in getattr(module, "KINDS", ())]
    assert len(written) > 20
    assert set(written) == set(kinds.KINDS)
    assert len({kind.name for kind in written}) == len(written)


def test_removal_knows_kinds_by_their_names() -> None:
    assert kinds.BY_NAME.keys() >= removal.RUNS | removal.LEANS_ON
