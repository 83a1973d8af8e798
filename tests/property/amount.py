"""How many examples a property is tried on."""

from hypothesis import HealthCheck, Phase, settings

MORE_WHEN_LONG = 20
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
"""Without explaining a failure, which takes many times as long as shrinking it."""


def examples(few: int) -> settings:
    """So many, the same each time; twenty times as many, new ones, under the profile `long`."""
    long = settings.get_current_profile_name() == "long"
    return settings(
        max_examples=few * MORE_WHEN_LONG if long else few,
        derandomize=not long,
        database=None,
        deadline=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
