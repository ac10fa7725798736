//! What a process needs in order to serve, and whether it has it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Readiness of a process: the sum of its dependencies. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<String, Option<String>>>>,
    /// Of one service among several in a process: it sees its own dependencies alone.
    scope: Arc<str>,
}

/// One dependency's handle. It starts out down: "not looked at yet".
#[derive(Clone, Debug)]
pub struct Dependency {
    name: String,
    health: Health,
}

// === impl Health ===

impl Health {
    /// The share of one service in the readiness of a process with several: what it
    /// registers shows here as `scope: name`, and it does not see the others', for
    /// services that wait for each other would else wait for ever.
    #[must_use]
    pub fn scoped(&self, scope: &str) -> Self {
        Self { parts: Arc::clone(&self.parts), scope: format!("{}{scope}: ", self.scope).into() }
    }

    /// Registers a dependency by name; the same name again is the same one.
    pub fn dependency(&self, name: impl Into<String>) -> Dependency {
        let name = format!("{}{}", self.scope, name.into());
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        parts.entry(name.clone()).or_insert_with(|| Some("not looked at yet".to_owned()));
        Dependency { name, health: self.clone() }
    }

    /// The dependencies that are down, each with why; empty means ready.
    pub fn missing(&self) -> Vec<(String, String)> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter(|(name, _)| name.starts_with(&*self.scope))
            .filter_map(|(name, why)| Some((name.clone(), why.clone()?)))
            .collect()
    }

    fn set(&self, name: &str, state: Option<String>) {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = parts.get_mut(name) else { return };
        if slot.is_some() != state.is_some() {
            if let Some(why) = &state {
                tracing::warn!(dependency = name, reason = %why, "dependency is down");
            } else {
                tracing::info!(dependency = name, "dependency is up");
            }
        }
        *slot = state;
    }
}

// === impl Dependency ===

impl Dependency {
    /// The dependency serves.
    pub fn up(&self) {
        self.health.set(&self.name, None);
    }

    /// Whether the dependency serves, as far as is known.
    pub fn is_up(&self) -> bool {
        let parts = self.health.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.get(&self.name).is_some_and(Option::is_none)
    }

    /// The dependency does not serve.
    pub fn down(&self, reason: impl Into<String>) {
        self.health.set(&self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_every_dependency_is_up() {
        let health = Health::default();
        assert!(health.missing().is_empty());
        let database = health.dependency("database");
        let keys = health.dependency("keys");
        keys.up();
        assert_eq!(health.missing(), [("database".to_owned(), "not looked at yet".to_owned())]);
        assert!(keys.is_up() && !database.is_up());
        database.up();
        assert!(health.missing().is_empty());
        database.down("connection refused");
        assert_eq!(health.missing()[0].1, "connection refused");
    }

    #[test]
    fn a_service_among_several_sees_its_own_dependencies_alone() {
        let process = Health::default();
        let (auth, calendar) = (process.scoped("auth"), process.scoped("calendar"));
        auth.dependency("database").up();
        calendar.dependency("database").down("gone");
        assert!(auth.missing().is_empty());
        assert_eq!(process.missing(), [("calendar: database".to_owned(), "gone".to_owned())]);
        assert_eq!(calendar.missing(), process.missing());
    }
}
