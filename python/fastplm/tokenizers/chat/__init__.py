"""Conversations: their templates, found, rendered in a sandbox, and made ids."""
