"""ExportSubject: everything held about a person, as one archive sealed to whoever asked for it.

In dependency order:

- `zipping`   a ZIP that is written while it is read
- `readme`    what the archive says about itself, in plain words
- `events`    one event for programs and for people
- `summary`   who the person is, what stands now, how they want to be reached
- `archive`   the files of the archive, one after the other
- `exporting` the use case: find, record the access, gather, seal
"""
