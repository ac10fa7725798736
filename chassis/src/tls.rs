//! TLS, where an operator gives certificates: between services mutual, at the
//! gateway towards everybody.
//!
//! [`Wire`] is how services speak to each other: plain on loopback, or over
//! mutual TLS, where each side shows a certificate with the name of its service
//! and checks the other's. A caller takes a [`Way`] to one service from it, a
//! listener an [`Acceptor`]; both turn a TCP connection into a [`Stream`], and
//! nothing above knows the difference. A [`Certificate`] is read again when its
//! files change.

mod acceptor;
mod certificate;
mod file;
mod halves;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod validity;
mod way;
mod wire;

pub use self::{
    acceptor::Acceptor,
    certificate::Certificate,
    file::InvalidTls,
    halves::{ReadHalf, WriteHalf},
    settings::WireSettings,
    stream::{PeerNames, Stream},
    way::Way,
    wire::Wire,
};
