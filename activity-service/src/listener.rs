//! Where events come in.

pub(crate) mod tcp;
