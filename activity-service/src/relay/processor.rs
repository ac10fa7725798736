//! The processor: takes the lead, goes on from the last snapshot, and turns packs
//! into what clients read, until another one leads or the process ends.

mod saving;
mod term;

use std::{sync::Arc, time::Duration};

use chassis::{fault::Fault, health::Dependency, lifecycle::Lifecycle};
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
    time::sleep,
};

use self::term::Term;
use super::{
    clients::{Clients, link::Budget},
    config::RelayConfig,
    engine::{Engine, EngineBounds},
    keep,
    leader::{self, Candidate, Lead, Tenure},
    metrics, snapshot,
    store::{RelayStore, Standing},
};
use crate::broker::Broker;

/// Between two tries to take the lead.
const STAND_BY: Duration = Duration::from_millis(300);
/// After an error of the database.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);

/// The processor of one process.
pub(crate) struct Processor {
    pub(crate) config: Arc<RelayConfig>,
    pub(crate) broker: Arc<dyn Broker>,
    /// Where snapshots are kept; without, nothing outlives the process and nobody else can lead.
    pub(crate) store: Option<RelayStore>,
    pub(crate) clients: Arc<TcpListener>,
    pub(crate) places: Arc<tokio::sync::Semaphore>,
    /// Whether packs come.
    pub(crate) feed: Dependency,
    /// Whether it is known who leads.
    pub(crate) lead: Dependency,
    /// One term at a time, also when a dead one is restarted.
    pub(crate) turn: Mutex<()>,
    pub(crate) lifecycle: Lifecycle,
}

/// What a term begins with.
struct Mandate {
    /// Where others could lead as well.
    lead: Option<Lead>,
    standing: Standing,
    snapshot: Option<Vec<u8>>,
}

// === impl Processor ===

impl Processor {
    /// Leads or stands by until the soft stop.
    pub(crate) async fn run(&self) {
        let _turn = self.turn.lock().await;
        let mut candidate = Candidate::default();
        while !self.lifecycle.is_draining() {
            match &self.store {
                None => {
                    self.lead.up();
                    Term::new(self, self.engine(), None).serve(None).await;
                }
                Some(store) => self.with_store(store, &mut candidate).await,
            }
        }
    }

    async fn with_store(&self, store: &RelayStore, candidate: &mut Candidate) {
        match self.mandate(store, candidate).await {
            Ok(Some(mandate)) => {
                self.lead.up();
                self.lead_stream(mandate).await;
            }
            Ok(None) => {
                // Ready all the same: it is as it should be, and takes no packs.
                self.lead.up();
                self.feed.up();
                self.stand_by().await;
            }
            Err(error) => {
                self.lead.down(error.reason.as_str());
                tokio::select! { () = sleep(DATABASE_PAUSE) => {}, () = self.lifecycle.draining() => {} }
            }
        }
    }

    async fn mandate(&self, store: &RelayStore, candidate: &mut Candidate) -> Result<Option<Mandate>, Fault> {
        let mut lead = None;
        if self.config.amqp.is_some() {
            lead = candidate.try_take(store).await?;
            if lead.is_none() {
                return Ok(None);
            }
        }
        let (standing, snapshot) = keep::take_lead(store).await?;
        Ok(Some(Mandate { lead, standing, snapshot }))
    }

    async fn lead_stream(&self, Mandate { lead, standing, snapshot: last }: Mandate) {
        let mut engine = self.engine();
        if let Some(bytes) = last
            && let Err(error) = snapshot::read(&bytes, &mut engine)
        {
            // Going on from nothing would wait for event 1 for ever: a person must decide.
            self.lead.down(format!("{error}: `activity-service relay reset` begins anew"));
            tracing::error!(%error, "cannot go on from the last snapshot");
            tokio::select! { () = sleep(Duration::from_secs(5)) => {}, () = self.lifecycle.draining() => {} }
            return;
        }
        tracing::info!(epoch = standing.epoch, position = engine.position(), "leads the stream");
        let (tenure, held) = watch::channel(Tenure::Holds(standing.generation));
        let watching = async {
            match (lead, &self.store) {
                (Some(lead), _) => lead.watch(standing, tenure).await,
                (None, Some(store)) => leader::watch_alone(store, tenure).await,
                (None, None) => {}
            }
        };
        tokio::select! {
            // Ends by itself only when the lead is lost, which the term hears too.
            () = async { watching.await; std::future::pending().await } => {}
            () = Term::new(self, engine, Some(standing)).serve(Some(held)) => {}
        }
        tracing::info!("no longer leads the stream");
    }

    /// Sends clients away for a while, to find the one that leads.
    async fn stand_by(&self) {
        let away = async {
            loop {
                if self.clients.accept().await.is_ok() {
                    metrics::client_refused("standby");
                }
            }
        };
        tokio::select! { () = away => {}, () = sleep(STAND_BY) => {}, () = self.lifecycle.draining() => {} }
    }

    fn engine(&self) -> Engine {
        let config = &self.config;
        let budget = Budget::new(config.client_buffer, config.clients_buffer, config.max_clients);
        let bounds = EngineBounds {
            gap_window: config.gap_window,
            graph_bytes: config.graph_bytes,
            recent_packs: config.recent_packs(),
        };
        Engine::new(bounds, Clients::new(Arc::new(budget)))
    }
}
