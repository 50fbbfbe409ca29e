"""How the support site writes days and times: one short form, whatever the browser's language."""
