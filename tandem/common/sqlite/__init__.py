"""Django's SQLite backend, with a fair queue of writers; the engine name is `tandem.common.sqlite`."""
