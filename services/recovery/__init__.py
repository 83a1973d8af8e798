"""What an operator does when something was lost: backups, and the way back from one. Commands, not services.

In dependency order:

- `alone`: opening what nobody else may have open meanwhile
- `carriers`: the streams that no longer fit, made anew
- `epochs`: `log new-epoch`
- `manifest`, `backup`, `restore`: the logs as files, and back
- `exportfile`, `resync`: what happened since, from an export
- `commands`: all of it as commands
"""
