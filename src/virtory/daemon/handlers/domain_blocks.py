"""Domains: block jobs and clones."""
