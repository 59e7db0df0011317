"""`virtory image pull`: a disk image from a web server into the store, or an error and no trace.

The rule kept here: nothing the server says is believed: sizes, lengths, redirects and content are
checked as they arrive, and only bytes that match the checksum become an image.
"""

from __future__ import annotations
