"""Few examples, always the same; or many new ones (minutes): `pytest tests/property --hypothesis-profile=long`."""

from hypothesis import settings

settings.register_profile("long", print_blob=True)
