"""What every part stands on: errors, time, the read path, the endpoint; no domain nouns."""
