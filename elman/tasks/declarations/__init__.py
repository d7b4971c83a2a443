"""One file a task: what a user may set for it, and what it reads. No torch is imported here."""
