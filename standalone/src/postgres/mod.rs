//! The embedded PostgreSQL: a private server on a private socket, with its data in `DATA_DIR`.
//!
//! Its life: [`Cluster::open`] finds who runs it and which programs fit the data, and creates the
//! data the first time. [`Cluster::ensure`] makes a server answer: it adopts one that a killed
//! process left running, waits for one that is just starting or ending, and starts one when none
//! lives. [`Cluster::tend`] does the same whenever the server dies later. [`Cluster::stop`] ends it.
//!
//! The server listens on no network address, and only its own account and root reach the socket.
//! Writes are durable: `fsync` and `synchronous_commit` are on, whatever its `postgresql.conf` says;
//! other settings may be changed there.

mod cluster;
mod error;
mod owner;
mod place;
mod postmaster;
mod programs;
mod provision;

pub use cluster::Cluster;
pub use error::PostgresError;
pub use owner::Owner;
pub use programs::Programs;
pub use provision::{ACTIVITY, ALL, AUTH, CALENDAR, Database, NOTIFICATION};

use place::SOCKET_FILE;
