"""Webhooks: what happened is told to addresses that a company chose."""
