"""Domains: devices that come, go and change."""
