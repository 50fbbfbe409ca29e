"""One row per business fact: audit trail and source of webhooks."""
