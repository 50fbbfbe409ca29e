"""Contract F: cards, visits, one-time codes, entries, feedback, attendance, reports, assignment."""
