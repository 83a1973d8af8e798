"""What the archive says about itself, to somebody who has never heard of this software. Pure."""

README = """\
What this is
============

A copy of everything that the consent ledger of {controller} held about you
when it was asked, on {when} (all times are UTC).

It was sealed to your key alone. Now that it is open, it is yours to guard: it
holds your identifiers and what you told.

The files
=========

person.json       The identifiers you are known by, and since when. If several
                  were linked as one person, all of them are here.
consents.json     What stands now for each purpose: granted, denied, withdrawn
                  and so on; under which notice, with the notice's text; and on
                  which legal basis the purpose rests in which law.
preferences.json  How you want to be reached.
history.jsonl     Everything that was recorded, oldest first, one event a line,
                  with what was kept sealed: addresses, notes, reasons. For
                  programs, and complete. Binary values are in base64.
history.csv       The same for a spreadsheet, shortened. A cell that a
                  spreadsheet could take for a formula begins with a '.
accesses.json     Who read your data and why, newest first, as far as it was
                  told; this copy too. Only reads by people count: the checks
                  that machines make before they use your data are not listed.
receipts/         For each event N of the history N.leaf, the event exactly as
                  recorded, and N.tlog-proof, the proof that it is in the log.
vkey.txt          The public key that the log's proofs are signed with.

"Linked" means: recorded for another identifier of yours, linked to the one
that you asked with.

What is not in it
=================

What {controller} holds in other systems. The ledger tells those systems what
you decided; what they were told, and whether they obeyed, is not in this copy,
nor is the course of requests that you made under data protection law.
Checks of your consent are not recorded. Request ids, kept so that nothing is
recorded twice, hold no data of yours.

How to check it
===============

Each proof shows that an event is in a log that cannot be changed unnoticed.
Any program for the format tlog-proof (https://c2sp.org/tlog-proof) can check
it without asking anybody: give it N.tlog-proof, N.leaf and the key. Compare
the key in vkey.txt with one that you got another way; a forger would have put
in his own. A leaf is a message consentledger.v1.LedgerEntry (Protocol
Buffers). It does not show what was sealed, but binds it.
"""


def readme(controller: str, when: str) -> bytes:
    """README.txt."""
    return README.format(controller=controller, when=when).encode()
