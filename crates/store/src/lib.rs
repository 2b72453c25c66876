//! Repositories and migrations on SQLite and PostgreSQL; artifacts on object storage.
