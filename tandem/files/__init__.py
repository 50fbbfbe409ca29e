"""Files of records: checked by their content, kept privately, handed out through signed links. CONTRACT §5."""
