//! The words of the service: values that are right by construction.

mod account;
mod client;
mod password;
mod session;
mod username;

pub(crate) use self::{
    account::{Candidate, Credentials},
    client::{ClientAddress, UserAgent},
    password::{NewPassword, Password},
    session::{LiveSession, OpenedSession, SessionRow},
    username::{Username, UsernameKey},
};
