//! Looks up where the instances are.
//!
//! A name that cannot be looked up, or has no addresses now, keeps those it had:
//! a name server that is away must not take the services away.

use std::{collections::HashMap, time::Duration};

use chassis::rpc::{Target, Targets};
use http::uri::Authority;
use tokio::time::timeout;

/// For one name.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);
/// More addresses of one name are left out.
const MOST: usize = 256;

/// Looks names up, and remembers what was found.
#[derive(Debug)]
pub(super) struct Resolver {
    targets: Targets,
    found: HashMap<String, Vec<Authority>>,
}

// === impl Resolver ===

impl Resolver {
    /// Nothing is looked up yet.
    pub(super) fn new(targets: Targets) -> Self {
        Self { targets, found: HashMap::new() }
    }

    /// What needs no look-up.
    pub(super) fn fixed(&self) -> Vec<Authority> {
        let fixed = self.targets.iter().filter_map(|target| match target {
            Target::At(authority) => Some(authority.clone()),
            Target::Dns { .. } => None,
        });
        fixed.collect()
    }

    /// Every instance, as far as is known now.
    pub(super) async fn look(&mut self) -> Vec<Authority> {
        let mut all = self.fixed();
        for target in self.targets.iter() {
            let Target::Dns { host, port } = target else { continue };
            let key = format!("{host}:{port}");
            match look_up(host, *port).await {
                Ok(addresses) if !addresses.is_empty() => {
                    self.found.insert(key.clone(), addresses);
                }
                Ok(_) => tracing::warn!(name = host, "the name has no addresses, keeping those it had"),
                Err(error) => {
                    tracing::warn!(name = host, %error, "cannot look the name up, keeping what it had");
                }
            }
            all.extend(self.found.get(&key).into_iter().flatten().cloned());
        }
        all
    }
}

async fn look_up(host: &str, port: u16) -> std::io::Result<Vec<Authority>> {
    let found = timeout(LOOK_UP_WITHIN, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    Ok(found.take(MOST).filter_map(|address| address.to_string().parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_all_its_addresses_and_keeps_them_while_it_cannot_be_looked_up() {
        let mut resolver = Resolver::new("http://192.0.2.1:7,dns:///localhost:9".parse().unwrap());
        assert_eq!(resolver.fixed(), ["192.0.2.1:7"]);
        let found = resolver.look().await;
        assert!(found.iter().any(|at| at == "127.0.0.1:9"), "{found:?}");
        assert_eq!(found[0], "192.0.2.1:7");
        // RFC 6761: this name never has an address.
        let mut resolver = Resolver::new("dns:///calendar.invalid:9".parse().unwrap());
        assert!(resolver.look().await.is_empty());
        resolver.found.insert("calendar.invalid:9".to_owned(), vec!["192.0.2.2:9".parse().unwrap()]);
        assert_eq!(resolver.look().await, ["192.0.2.2:9"]);
    }
}
