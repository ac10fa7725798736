//! Every service in one process, over an embedded private PostgreSQL.

pub mod announce;
pub mod data_dir;
pub mod postgres;
pub mod room;
pub mod services;
