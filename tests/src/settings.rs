//! A service's settings from the names of their variables, without touching this process' environment.

use std::{collections::BTreeMap, ffi::OsString};

use anyhow::Result;
use clap::{Args, Command};

/// Values by the name of their variable. A service takes those it knows.
pub type Variables = BTreeMap<String, String>;

/// Reads a service's settings as its own command line would.
pub fn read<S: Args>(variables: &Variables) -> Result<S> {
    let mut command = S::augment_args(Command::new("service").no_binary_name(true));
    let given: Vec<OsString> = command
        .get_arguments()
        .filter_map(|argument| {
            let value = variables.get(argument.get_env()?.to_str()?)?;
            Some(format!("--{}={value}", argument.get_long()?).into())
        })
        .collect();
    Ok(S::from_arg_matches(&command.try_get_matches_from_mut(given)?)?)
}
