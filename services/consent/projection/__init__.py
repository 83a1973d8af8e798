"""What stands now, as tables. All SQL of the consent service is here; everything can be dropped and rebuilt by replay.

In dependency order:

- `packing`   an act and a person's flags as bytes; pure
- `erasures`  which erasures are open, what is known of one, what goes when a person ends
- `tables`    the tables, and writing them in the events' own transaction
- `reading`   the rows behind a check, in one statement
- `lookups`   everything else that is asked of the tables
- `rebuild`   dropping the tables and making them again from the log
"""
