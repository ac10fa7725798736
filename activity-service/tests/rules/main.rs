//! The rules lane over a real PostgreSQL, with notification-service played by a
//! double that can be down, hang, and lie.

mod added_rule;
mod delivery;
mod endings;
mod intake;
mod launches;
mod notifier;
mod oracle;
mod process;
mod signer;
mod story;
mod trainings;
mod web_receiver;
mod world;
