//! Every service in one process, over an embedded private PostgreSQL.

pub mod data_dir;
pub mod postgres;
