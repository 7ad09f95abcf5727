"""Settings of all property tests."""

from hypothesis import settings

# A busy machine is no failure: what takes too long is pytest's timeout to say.
settings.register_profile("loadcore", deadline=None)
settings.load_profile("loadcore")
