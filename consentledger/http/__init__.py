"""HTTP/1.1 for a few small requests between machines: a strict server and a client, on asyncio and nothing else.

In dependency order: message (pure), server, client.

What it serves and fetches is small, needs no session, cookie, form, range or redirect, and is fixed by specifications
of others (C2SP tlog-tiles, C2SP tlog-witness, RFC 3161). A framework would bring a hundred times the code to trust, for
the two routes that the reference witness has. Pages for people are another matter, and not served from here.
"""
