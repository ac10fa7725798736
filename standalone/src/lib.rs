//! Every service in one process, over an embedded private PostgreSQL.
