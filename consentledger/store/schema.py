"""The tables of a log and of a key store, as versioned migrations, and which of them a database still lacks.

Pure: text only; the databases apply it. The rules:

- A migration that was released never changes and its number is never reused. Expand first, contract a release later:
  a database may be newer than the code that opens it, never older.
- Migrations are numbered from 1 within a component: "base" is what is here; a service brings its own as "projection".
- `event` is append-only, by trigger: nothing is deleted and nothing changes but `ciphertext`, to NULL, by erasure.
- In PostgreSQL each service has a schema of its own, named after it; in SQLite a file.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consentledger.store.dialects import Dialect, render
from consentledger.store.ledger import Entry, Head, SchemaTooOld, StoreUnavailable
from consentledger.tlog.hashing import EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Differing:
    """Statements that the dialects cannot share."""

    sqlite: Sequence[str]
    postgresql: Sequence[str]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a component's schema. Statements are shared SQL (see `dialects`) or `Differing`."""

    number: int
    name: str
    statements: Sequence[str | Differing]

    def rendered(self, dialect: Dialect) -> list[str]:
        """The statements to run, in order."""
        return [
            render(dialect, sql)
            for statement in self.statements
            for sql in ([statement] if isinstance(statement, str) else getattr(statement, dialect))
        ]


@dataclass(frozen=True, slots=True)
class Schema:
    """What the code needs of one service's database."""

    service: str
    """Name of the PostgreSQL schema: `[a-z][a-z0-9_]{0,62}`."""
    components: Sequence[tuple[str, Sequence[Migration]]]

    def __post_init__(self) -> None:
        if not (self.service.isidentifier() and self.service.isascii() and self.service.islower()):
            raise ValueError("a service's name is a lower-case identifier")
        for component, migrations in self.components:
            if [step.number for step in migrations] != list(range(1, len(migrations) + 1)):
                raise ValueError(f"the migrations of {component} are not numbered 1, 2, 3 …")


VERSIONS_TABLE = """CREATE TABLE IF NOT EXISTS schema_version (
    component text NOT NULL, number {int} NOT NULL, name text NOT NULL, service text NOT NULL,
    PRIMARY KEY (component, number)) {clustered}"""
READ_VERSIONS = "SELECT component, number, service FROM schema_version"
WRITE_VERSION = "INSERT INTO schema_version (component, number, name, service) VALUES ($1, $2, $3, $4)"

_COLUMNS_THAT_STAY = ("position", "tenant", "stream", "version", "type", "recorded_us", "leaf")
_UNCHANGED = " AND ".join(f"NEW.{column} = OLD.{column}" for column in _COLUMNS_THAT_STAY)

APPEND_ONLY = Differing(
    sqlite=(
        f"CREATE TRIGGER event_update BEFORE UPDATE ON event WHEN NOT (NEW.ciphertext IS NULL AND {_UNCHANGED}) "
        "BEGIN SELECT RAISE(ABORT, 'event is append-only'); END",
        "CREATE TRIGGER event_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END",
    ),
    postgresql=(
        f"""CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.ciphertext IS NULL AND {_UNCHANGED} THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'event is append-only' USING ERRCODE = 'restrict_violation';
END $body$""",
        "CREATE TRIGGER event_rows BEFORE UPDATE OR DELETE ON event "
        "FOR EACH ROW EXECUTE FUNCTION event_is_append_only()",
        "CREATE TRIGGER event_table BEFORE TRUNCATE ON event "
        "FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only()",
    ),
)


def _log() -> Migration:
    epoch = secrets.randbelow(2**63 - 1) + 1  # drawn at each call; only the one that creates a log is kept
    return Migration(
        1,
        "log",
        (
            "CREATE TABLE log_head (only_row {int} PRIMARY KEY CHECK (only_row = 1), position {int} NOT NULL, "
            "recorded_us {int} NOT NULL, epoch {int} NOT NULL) {table}",
            f"INSERT INTO log_head (only_row, position, recorded_us, epoch) VALUES (1, 0, 0, {epoch})",
            "CREATE TABLE event (position {int} PRIMARY KEY, tenant text NOT NULL, stream {bytes} NOT NULL, "
            "version {int} NOT NULL, type text NOT NULL, recorded_us {int} NOT NULL, leaf {bytes} NOT NULL, "
            "ciphertext {bytes}, UNIQUE (stream, version)) {table}",
            "CREATE INDEX event_by_tenant ON event (tenant, position)",
            "CREATE TABLE answer (tenant text NOT NULL, method text NOT NULL, request_id {bytes} NOT NULL, "
            "mac {bytes} NOT NULL, stream {bytes} NOT NULL, first {int} NOT NULL, last {int} NOT NULL, "
            "answer {bytes} NOT NULL, recorded_us {int} NOT NULL, "
            "PRIMARY KEY (tenant, method, request_id)) {clustered}",
            "CREATE INDEX answer_by_age ON answer (recorded_us)",
            APPEND_ONLY,
        ),
    )


def _mark() -> Migration:
    return Migration(
        2,
        "outbox mark",
        (
            "CREATE TABLE outbox_mark (only_row {int} PRIMARY KEY CHECK (only_row = 1), "
            "published {int} NOT NULL) {table}",
            "INSERT INTO outbox_mark (only_row, published) VALUES (1, 0)",
        ),
    )


def _binding() -> Migration:
    return Migration(
        3,
        "binding",
        (
            "CREATE TABLE bound_to (only_row {int} PRIMARY KEY CHECK (only_row = 1), keystore {bytes} NOT NULL, "
            "key_check {bytes} NOT NULL) {table}",
        ),
    )


def _tree() -> Migration:
    def columns(literal: str) -> tuple[str, str]:
        return (
            f"ALTER TABLE log_head ADD COLUMN root {{bytes}} NOT NULL DEFAULT {literal % EMPTY_ROOT.hex()}",
            f"ALTER TABLE log_head ADD COLUMN edge {{bytes}} NOT NULL DEFAULT {literal % ''}",
        )

    return Migration(
        4,
        "tree",
        (
            Differing(sqlite=columns("x'%s'"), postgresql=columns("'\\x%s'::bytea")),
            "CREATE TABLE tile (level {int} NOT NULL, number {int} NOT NULL, hashes {bytes} NOT NULL, "
            "PRIMARY KEY (level, number)) {clustered}",
            "CREATE TABLE log_name (number {int} PRIMARY KEY, origin text NOT NULL UNIQUE, vkey text NOT NULL) {table}",
        ),
    )


def _anchored() -> Migration:
    return Migration(
        5,
        "anchored",
        (
            "CREATE TABLE anchored (origin text NOT NULL, size {int} NOT NULL, kind text NOT NULL, name text NOT NULL, "
            "note {bytes} NOT NULL, evidence {bytes} NOT NULL, at_us {int} NOT NULL, "
            "PRIMARY KEY (origin, size, kind, name)) {clustered}",
        ),
    )


def log_schema(service: str, projection: Sequence[Migration]) -> Schema:
    """The schema of a service's log with its projection's own migrations."""
    base = (_log(), _mark(), _binding(), _tree(), _anchored())
    return Schema(service, (("base", base), ("projection", tuple(projection))))


def key_schema() -> Schema:
    """The schema of the key store."""
    person_keys = Migration(
        1,
        "person keys",
        (
            "CREATE TABLE person_key (person {bytes} PRIMARY KEY, tenant text NOT NULL, wrapped {bytes} NOT NULL, "
            "created_us {int} NOT NULL) {clustered}",
            "CREATE INDEX person_key_by_age ON person_key (created_us, person)",
            "CREATE TABLE identifier (tenant text NOT NULL, blind {bytes} NOT NULL, person {bytes} NOT NULL, "
            "namespace text NOT NULL, sealed {bytes} NOT NULL, created_us {int} NOT NULL, "
            "PRIMARY KEY (tenant, blind)) {clustered}",
            "CREATE INDEX identifier_by_person ON identifier (person)",
        ),
    )
    binding = Migration(
        2,
        "binding",
        (
            "CREATE TABLE bound_to (only_row {int} PRIMARY KEY CHECK (only_row = 1), keystore {bytes} NOT NULL, "
            "epoch {int} NOT NULL) {table}",
        ),
    )
    epoch_floor = Migration(
        3,
        "epoch floor",
        (
            "CREATE TABLE epoch_floor (only_row {int} PRIMARY KEY CHECK (only_row = 1), least {int} NOT NULL) {table}",
            "INSERT INTO epoch_floor (only_row, least) VALUES (1, 0)",
        ),
    )
    erasure = Migration(
        4,
        "erasure",
        (
            "CREATE TABLE destroyed (person {bytes} PRIMARY KEY, key_id {bytes} NOT NULL, key_epoch {int} NOT NULL, "
            "destroyed_us {int} NOT NULL, kept {bytes} NOT NULL, erasure {bytes} NOT NULL) {clustered}",
            "CREATE INDEX destroyed_by_erasure ON destroyed (erasure)",
            "CREATE TABLE suppression (tenant text NOT NULL, blind {bytes} NOT NULL, refusals text NOT NULL, "
            "PRIMARY KEY (tenant, blind)) {clustered}",
            "ALTER TABLE person_key ADD COLUMN refusals text",
        ),
    )
    return Schema("keys", (("keys", (person_keys, binding, epoch_floor, erasure)),))


def missing(schema: Schema, applied: Iterable[tuple[str, int, str]]) -> list[tuple[str, Migration]]:
    """The migrations that a database with these rows of `schema_version` lacks. StoreUnavailable if it is another's."""
    done = set()
    for component, number, service in applied:
        if service != schema.service:
            raise StoreUnavailable(f"this database belongs to the service {service}, not to {schema.service}")
        done.add((component, number))
    return [
        (component, step)
        for component, migrations in schema.components
        for step in migrations
        if (component, step.number) not in done
    ]


def refuse_if_behind(schema: Schema, applied: Iterable[tuple[str, int, str]]) -> None:
    """Raise SchemaTooOld unless everything the code needs was applied. More than that is accepted."""
    if lacking := missing(schema, applied):
        component, step = lacking[0]
        raise SchemaTooOld(f"{schema.service} lacks {component} {step.number} ({step.name}): run the migration command")


READ_HEAD = "SELECT position, recorded_us, epoch, root, edge FROM log_head"
ENTRY = "position, tenant, stream, version, type, recorded_us, leaf, ciphertext"
ANSWER = "tenant, method, request_id, mac, stream, first, last, answer, recorded_us"


def refuse_gap(old: Head, entries: Sequence[Entry], hashes: Sequence[bytes], new: Head) -> None:
    """Raise ValueError unless the entries follow the old head without a gap and the new head is their end."""
    expected = range(old.position + 1, old.position + 1 + len(entries))
    if [entry.position for entry in entries] != list(expected):
        raise ValueError("positions must follow the head without a gap")
    if len(hashes) != len(entries):
        raise ValueError("a leaf hash for each entry")
    if new.position != old.position + len(entries) or new.epoch != old.epoch or new.recorded_us < old.recorded_us:
        raise ValueError("the new head must be where the entries end, in the same epoch and no earlier")
