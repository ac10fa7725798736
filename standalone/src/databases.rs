//! The databases of a run: embedded ones, those of the operator's URLs, or some of each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chassis::lifecycle::Lifecycle;
use secrecy::SecretString;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::postgres::{ACTIVITY, AUTH, CALENDAR, Cluster, Database, NOTIFICATION, PostgresError};

/// How long a server that nobody has used yet may take to end in order.
const UNUSED_PATIENCE: Duration = Duration::from_secs(5);

/// The databases, and the server behind them when it is ours.
#[derive(Debug)]
pub(crate) struct Databases {
    /// auth-service's.
    pub(crate) auth: SecretString,
    /// calendar-service's.
    pub(crate) calendar: SecretString,
    /// notification-service's.
    pub(crate) notification: SecretString,
    /// activity-service's.
    pub(crate) activity: SecretString,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    cluster: Arc<Cluster>,
    tending: JoinHandle<()>,
}

impl Databases {
    /// Starts the embedded server where it is needed. None when the process was told to stop meanwhile.
    pub(crate) async fn start(
        config: &Config,
        data_dir: &DataDir,
        lifecycle: &Lifecycle,
    ) -> Result<Option<Self>, PostgresError> {
        let server = if config.embeds_postgres() {
            match Server::start(config, data_dir, lifecycle).await? {
                Some(server) => Some(server),
                None => return Ok(None),
            }
        } else {
            None
        };
        let url = |given: &Option<SecretString>, database: Database| match (given, &server) {
            (None, Some(server)) => server.cluster.url(database).into(),
            (given, _) => given.clone().unwrap_or_default(),
        };
        Ok(Some(Self {
            auth: url(&config.auth_database_url, AUTH),
            calendar: url(&config.calendar_database_url, CALENDAR),
            notification: url(&config.notification_database_url, NOTIFICATION),
            activity: url(&config.activity_database_url, ACTIVITY),
            server,
        }))
    }

    /// The folder with the embedded server's socket.
    pub(crate) fn socket_folder(&self) -> Option<&Path> {
        self.server.as_ref().map(|server| server.cluster.socket_folder())
    }

    /// Ends the embedded server.
    pub(crate) async fn stop(self, patience: Duration) {
        if let Some(Server { cluster, tending }) = self.server {
            tending.abort();
            // It may be in the middle of starting the server: that must not go on beside the stop.
            let _ = tending.await;
            cluster.stop(patience).await;
        }
    }
}

impl Server {
    async fn start(
        config: &Config,
        data_dir: &DataDir,
        lifecycle: &Lifecycle,
    ) -> Result<Option<Self>, PostgresError> {
        let opened = tokio::select! {
            opened = Cluster::open(data_dir, config.postgres_bin_dir.as_deref()) => Some(opened?),
            () = lifecycle.draining() => None,
        };
        let Some(cluster) = opened else { return Ok(None) };
        let started = tokio::select! {
            started = cluster.ensure() => Some(started),
            () = lifecycle.draining() => None,
        };
        match started {
            Some(Ok(())) => {}
            Some(Err(failure)) => return Err(failure),
            None => {
                cluster.stop(UNUSED_PATIENCE).await;
                return Ok(None);
            }
        }
        let cluster = Arc::new(cluster);
        let tended = Arc::clone(&cluster);
        Ok(Some(Self { cluster, tending: tokio::spawn(async move { tended.tend().await }) }))
    }
}
