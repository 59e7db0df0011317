"""Provisioning's own errors; each is also one of libvirt's classes, so callers may catch either.

The rule kept here: an error names the image or machine, what was found, and the cure.
"""

from __future__ import annotations

from virtory.errors import NotFound, OperationFailed, ResourceBusy, VirtoryError


class ImageNotFound(NotFound):
    """No image in the store has this name or alias."""


class ImageInUse(ResourceBusy):
    """A machine's disk is an overlay of the image, or another process is building it."""


class BadImage(VirtoryError):
    """A file that is no disk image, or one that would read other files of the host."""


class DownloadFailed(VirtoryError):
    """A transfer that did not end with the promised bytes."""


class BuildFailed(OperationFailed):
    """A program that makes an image failed or is missing."""


class NotOurMachine(OperationFailed):
    """The domain carries no manifest of virtory: it was not made by `virtory create`."""


class SshFailed(OperationFailed):
    """No way in: keys, port or program are missing."""
