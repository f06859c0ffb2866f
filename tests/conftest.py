"""What holds for all tests."""

from hypothesis import settings

# A machine under load is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
