"""Django's PostgreSQL backend, whose statements are counted; the engine name is `tandem.common.postgresql`."""
