"""The command line: virsh's verbs under virsh's names, and virtory's own.

The rule kept here: a verb is declared once (`verb.py`), is an ordinary client, and returns a value;
`output.py` makes text or JSON of it. Plain use imports neither click nor asyncio, because a listing
must feel like virsh; help, errors and completion may take longer (`manual.py`,
`verbs/completion.py`).
"""
