"""Links carry bytes for a `wire.Session`: over UNIX sockets, through ssh, in one process."""
