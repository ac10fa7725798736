//! The ways into a system with several gateways, as a balancer before its gateways sees them: only through one that says it is ready.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use reqwest::Method;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{cluster::Cluster, door::Door, person::Person};

/// From one look at the gateways to the next; a gateway that goes gives ten times as long.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The gateways, and which of them are ready. Clones share what is known.
#[derive(Clone, Debug)]
pub struct Ways {
    doors: Arc<[Door]>,
    ready: watch::Receiver<Vec<bool>>,
    _looking: Arc<AbortOnDropHandle<()>>,
}

/// Somebody who goes in by one gateway, and by another while that one is not ready.
#[derive(Clone, Debug)]
pub struct Traveller {
    person: Person,
    home: usize,
    ways: Ways,
}

// === impl Ways ===

impl Ways {
    /// Looks at the gateways of a cluster from now on.
    pub fn into(cluster: &Cluster) -> Result<Self> {
        let gateways = cluster.instances().into_iter().filter(|name| name.starts_with("gateway-"));
        let operators = gateways.map(|name| cluster.operator(name)).collect::<Result<Vec<_>>>()?;
        let doors = (0..operators.len()).map(|n| cluster.door(n)).collect::<Result<Arc<[_]>>>()?;
        Ok(Self::through(doors, operators))
    }

    /// Looks at these gateways from now on, each where its operator does.
    pub(crate) fn through(doors: Arc<[Door]>, operators: Vec<Door>) -> Self {
        let (told, ready) = watch::channel(vec![true; operators.len()]);
        let looking = tokio::spawn(async move {
            let mut ticks = interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                told.send_replace(join_all(operators.iter().map(is_ready)).await);
            }
        });
        Self { doors, ready, _looking: Arc::new(AbortOnDropHandle::new(looking)) }
    }

    /// The n-th gateway, from 0.
    pub fn door(&self, n: usize) -> Result<&Door> {
        self.doors.get(n).context("no such gateway")
    }

    /// Somebody who goes in by the n-th gateway as long as that is ready.
    pub fn of(&self, person: &Person, home: usize) -> Traveller {
        Traveller { person: person.clone(), home, ways: self.clone() }
    }
}

async fn is_ready(operator: &Door) -> bool {
    let asked = operator.call(Method::GET, "/readyz").within(LOOK_EVERY * 5).send().await;
    asked.is_ok_and(|answer| answer.status == 200)
}

// === impl Traveller ===

impl Traveller {
    /// At a door that is ready; at their own where none is.
    pub fn person(&self) -> Person {
        let Ways { doors, ready, .. } = &self.ways;
        let ready = ready.borrow();
        let mut from_home = (0..doors.len()).map(|n| (self.home + n) % doors.len());
        let open = from_home.find(|n| ready[*n]).unwrap_or(self.home);
        self.person.at(&doors[open])
    }
}
