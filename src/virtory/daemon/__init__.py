"""virtoryd: the daemon that serves the drivers to libvirt's clients and to our own."""
