"""The typed client: hosts, domains, networks, storage and the rest, over any link.

The rule kept here: one client for everything. Methods are coroutines that await only their link, so
the same code runs on asyncio and, driven by `run_sync`, without any event loop.
"""
