"""The configuration of the embedded nats-server, as text. Pure.

- JetStream writes every message through to the disk before it acknowledges it (`sync_interval: always`); the default
  acknowledges thousands without a single fsync.
- Everything on disk is encrypted. The key is taken from the child's environment and is not in this text.
- It listens on loopback and asks for a password. Port -1 is a free one of the server's choice.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KEY_VARIABLE = "CONSENTLEDGER_EMBEDDED_JETSTREAM_KEY"
"""Name of the variable of the child, and only of the child, that holds the encryption key."""


@dataclass(frozen=True, slots=True)
class NatsUser:
    """A user of the embedded server."""

    name: str
    password: str
    publish: tuple[str, ...] | None = None
    """Subjects that it may publish to; None: all."""
    subscribe: tuple[str, ...] | None = None
    """Subjects that it may subscribe to; None: all."""


def server_config(directory: Path, port: int, users: Sequence[NatsUser]) -> str:
    """The configuration file's text. Strings are quoted as JSON, which the server's format accepts."""
    return "\n".join(
        [
            f"listen: {json.dumps(f'127.0.0.1:{port}')}",
            'server_name: "consentledger"',
            f"pid_file: {json.dumps(str(directory / 'nats.pid'))}",
            f"ports_file_dir: {json.dumps(str(directory))}",
            f"log_file: {json.dumps(str(directory / 'nats.log'))}",
            "logfile_size_limit: 10MB",
            "logfile_max_num: 3",
            "jetstream {",
            f"  store_dir: {json.dumps(str(directory))}",
            "  sync_interval: always",
            "  cipher: chachapoly",
            f"  key: ${KEY_VARIABLE}",
            "}",
            "authorization {",
            "  users: [",
            *(f"    {_user(user)}" for user in users),
            "  ]",
            "}",
            "",
        ]
    )


def _user(user: NatsUser) -> str:
    permissions = {}
    if user.publish is not None:
        permissions["publish"] = list(user.publish)
    if user.subscribe is not None:
        permissions["subscribe"] = list(user.subscribe)
    fields: dict[str, object] = {"user": user.name, "password": user.password}
    if permissions:
        fields["permissions"] = permissions
    return json.dumps(fields)
