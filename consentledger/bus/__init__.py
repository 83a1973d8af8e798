"""What the services say to each other and to downstreams, over NATS JetStream. The only importer of `nats` here.

- `errors`       what can go wrong, without a library's exceptions
- `cloudevents`  events as CloudEvents headers, both ways; pure
- `wire`         received messages and answers, as values; pure
- `replies`      requests in flight
- `mishaps`      what the library reports out of band, for the journal
- `connection`   a connection that never gives up, and the JetStream API as JSON
- `streams`      which streams exist, with what guarantees; creating and rebuilding them
- `publication`  what is published, and the states of publishing; pure
- `publisher`    the outbox: a dense log into a stream, exactly once, sequence = position
- `outbox`       a service's log as messages; `carrier`  one service's outbox as it runs
- `message`      one delivered message and how to settle it
- `pull`         one continuous pull from a consumer, until something breaks it
- `consumer`     durable consumers for work that is acknowledged message by message
- `follow`       reading a log in order from a position of one's own, without acknowledgements
- `serverconfig` the embedded server's configuration, as text; pure
- `embedded`     the real nats-server as a child process

NATS is a carrier and never a store: everything in it can be rebuilt from the services' logs.
"""
