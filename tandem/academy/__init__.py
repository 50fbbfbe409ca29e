"""Contract A: leads in pipelines, clients, students, cohorts, enrollments, transfers; attributes that users define."""
