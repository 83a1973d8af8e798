"""Commands for how a person wants to be reached: preferences get, set. Preferences are not consent."""

from typing import Annotated

import typer

from consentledger.cli import inputs, output
from consentledger.cli.failures import Misuse
from consentledger.cli.options import Options, command, group
from consentledger.cli.session import ask
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import events_pb2 as events

app = group("How a person wants to be reached.")

Settings = Annotated[
    list[str],
    typer.Argument(metavar="CHANNEL/TOPIC=FREQUENCY", help="email/news=weekly; an empty frequency removes it."),
]


@command(app, "get")
def get(options: Options, subject: inputs.Subject) -> None:
    """Show a person's preferences."""
    request = service.GetPreferencesRequest(tenant=options.tenant, subject=subject)
    _show(options, ask(options, lambda session: session.consent.GetPreferences, request))


@command(app, "set")
def put(
    options: Options,
    subject: inputs.Subject,
    settings: Settings,
    language: inputs.Language = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Replace preferences; those not named stay."""
    request = service.UpdatePreferencesRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        preferences=[preference(setting, language) for setting in settings],
    )
    _show(options, ask(options, lambda session: session.consent.UpdatePreferences, request))


def preference(setting: str, language: str) -> events.Preference:
    """Reads `email/news=weekly`. Raises Misuse."""
    where, equals, frequency = setting.partition("=")
    channel, slash, topic = where.partition("/")
    if not (equals and slash and channel and topic):
        raise Misuse("channel/topic=frequency, such as email/news=weekly", param_hint="preference")
    return events.Preference(channel=channel, topic=topic, frequency=frequency, language=language)


def _show(options: Options, answer: service.GetPreferencesResponse) -> None:
    if options.as_json:
        output.document(answer)
        return
    output.table(
        ("channel", "topic", "frequency", "language"),
        ((item.channel, item.topic, item.frequency, item.language) for item in answer.preferences),
    )
    output.pairs([("token", answer.consistency_token)])
