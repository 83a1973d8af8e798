"""The notifier's tables. A migration that was released never changes.

- No identifier of a person is in any of them: `person` is the consent service's random UUID.
- `dispatch` numbers the messages of the stream ENFORCE: gapless, given under the log head's lock. An obligation's own
  `dispatch` is the newest of its messages; null while it waits because its downstream is paused.
- `ended` holds persons who were erased: nothing about them is sent again, since nobody can name them.
- `attempt` holds obligations that a webhook did not take at once: how often it was tried, and when it is tried again;
  null while it is on its way. `webhook` of a downstream is the message `Webhook` of the protos.
- `progress` is one row. `intake` moves in the transaction of what was taken; `sent` may lag, and is then done again.
"""

from consentledger.store.schema import Migration

MIGRATIONS = (
    Migration(
        1,
        "downstreams and obligations",
        (
            "CREATE TABLE downstream (tenant text NOT NULL, id text NOT NULL, kind {int} NOT NULL, "
            "purposes text NOT NULL, namespace text NOT NULL, display_name text NOT NULL, paused {int} NOT NULL, "
            "enforce_within_s {int} NOT NULL, version {int} NOT NULL, PRIMARY KEY (tenant, id)) {clustered}",
            "CREATE TABLE obligation (obligation {bytes} PRIMARY KEY, made {int} NOT NULL, tenant text NOT NULL, "
            "downstream text NOT NULL, state {int} NOT NULL, ledger_position {int} NOT NULL, person {bytes} NOT NULL, "
            "purposes text NOT NULL, event_type text NOT NULL, revoked_us {int} NOT NULL, due_us {int} NOT NULL, "
            "evidence {bytes}, dispatch {int}) {clustered}",
            "CREATE INDEX obligation_by_tenant ON obligation (tenant, made)",
            "CREATE INDEX obligation_by_downstream ON obligation (tenant, downstream, made)",
            "CREATE INDEX obligation_by_revocation ON obligation (tenant, ledger_position, made)",
            "CREATE INDEX obligation_open ON obligation (dispatch) WHERE state < 4",
            "CREATE INDEX obligation_owed ON obligation (tenant, downstream, dispatch) WHERE state < 4",
            "CREATE TABLE dispatch (seq {int} PRIMARY KEY, obligation {bytes} NOT NULL) {table}",
            "CREATE TABLE progress (only_row {int} PRIMARY KEY CHECK (only_row = 1), intake {int} NOT NULL, "
            "sent {int} NOT NULL) {table}",
            "INSERT INTO progress (only_row, intake, sent) VALUES (1, 0, 0)",
        ),
    ),
    Migration(
        2,
        "erased persons",
        (
            "CREATE TABLE ended (person {bytes} PRIMARY KEY, tenant text NOT NULL, dispatch {int} NOT NULL, "
            "purged {int} NOT NULL) {clustered}",
            "CREATE INDEX ended_unpurged ON ended (person) WHERE purged = 0",
        ),
    ),
    Migration(
        3,
        "webhooks",
        (
            "ALTER TABLE downstream ADD COLUMN webhook {bytes}",
            "CREATE TABLE attempt (obligation {bytes} PRIMARY KEY, attempts {int} NOT NULL, due_us {int}) {clustered}",
            "CREATE INDEX attempt_due ON attempt (due_us) WHERE due_us IS NOT NULL",
            # Whether an earlier obligation of the same person has yet to arrive.
            "CREATE INDEX obligation_undelivered ON obligation (tenant, downstream, person, ledger_position) "
            "WHERE state < 3",
        ),
    ),
)
