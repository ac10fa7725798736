//! Events: reading windows of them and creating them, by the product and by
//! PostgreSQL alone. Both sides of a comparison do the same to the same data.

mod create;
mod read;
mod seed;

pub use create::{Creator, CreatorAlone};
pub use read::{Read, Reader, ReaderAlone};
pub use seed::{Ids, fill, read_ids};
