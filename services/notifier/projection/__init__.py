"""What stands now, as tables. All SQL of the notifier.

- `tables`  the migrations
- `write`   what is written in the events' own transaction, and the messages that follow from it
- `read`    what callers and the sender ask
- `rebuild` the tables made anew from the log
- `ended`   persons who were erased, and whether their messages are purged
- `attempts` when what a webhook did not take is tried again
- `carry`   sending again what the carrier lost, and how far each part has come
"""
