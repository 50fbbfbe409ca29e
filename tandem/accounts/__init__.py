"""Users, roles, logins and tokens."""
