"""Domains: save, restore, managed save, core dumps."""
