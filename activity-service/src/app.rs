//! The composition root: the only file that names every part.

use std::{future::Future, sync::Arc, time::Duration};

use chassis::{
    clock::{Clock, SystemClock},
    health::Dependency,
    lifecycle::Lifecycle,
    postgres,
    rpc::{self, Caller, Guard},
    tokens::{RpcKeySource, Verifier},
};
use tokio::time::sleep;
use tonic::service::Routes;

use crate::{
    Listeners, MIGRATOR, RunError,
    config::Config,
    metrics, notify, processor,
    receiver::{HttpReceiver, Receiver, ServiceReceiver},
    relay,
    rpc::{AccountRpc, ActivityRpc, CALLERS},
    service::{Nudge, Service},
    store::Store,
    sweep,
};

/// Between two looks whether the schema is there.
const LOOK: Duration = Duration::from_millis(50);

/// Builds everything, serves until the lifecycle drains, and waits for what runs.
pub(crate) async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    metrics::describe();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pool = pool(&config)?;
    let auth = rpc::channel_on(config.wire.to("auth"), &config.auth_url);
    let verifier = Verifier::new("activity", Arc::new(RpcKeySource::new(auth)), clock);
    let service = Service {
        store: Store::new(pool.clone()),
        rules: config.rules.clone(),
        receiver: receiver(&config),
        nudge: Nudge::default(),
        lifecycle: lifecycle.clone(),
    };
    spawn_loops(&service, &verifier, &config);
    relay::run(config.relay, listeners.relay, pool.clone(), &lifecycle);
    if let Some(admin) = listeners.admin {
        let until = lifecycle.clone();
        lifecycle.accompany(async move {
            if let Err(error) = chassis::admin::serve(admin, until).await {
                tracing::error!(%error, "the admin listener ended");
            }
        });
    }
    let token = config.service_token;
    let caller = Arc::new(Caller::new(verifier));
    let routes = Routes::new(ActivityRpc { service: service.clone(), caller }.into_server())
        .add_service(AccountRpc { service, token }.into_server());
    config.wire.keep_fresh("activity-certificate", "activity", &lifecycle);
    let guard = Guard { acceptor: config.wire.acceptor(), callers: CALLERS };
    let served = rpc::serve_guarded("activity", listeners.grpc, guard, routes, lifecycle.clone()).await;
    served.map_err(RunError::Serve)?;
    lifecycle.finish().await;
    // A connection that is in use keeps the pool open.
    tokio::select! { () = pool.close() => {}, () = lifecycle.aborting() => {} }
    Ok(())
}

/// The pool of the service's database, not connected yet.
pub(crate) fn pool(config: &Config) -> Result<postgres::Pool, RunError> {
    postgres::connect(&config.database_url, &config.replica_urls, config.database_connections)
        .map_err(RunError::Database)
}

/// Who is told.
fn receiver(config: &Config) -> Receiver {
    if let Some(uri) = &config.notify_url {
        return Receiver::Http(HttpReceiver::new(uri.clone()));
    }
    let channel = rpc::channel_on(config.wire.to("notification"), &config.notification_url);
    Receiver::Service(ServiceReceiver::new(channel, config.service_token.clone()))
}

/// Everything that runs beside the requests. Names are unique in the process:
/// standalone has every service in one.
fn spawn_loops(service: &Service, verifier: &Arc<Verifier>, config: &Config) {
    let lifecycle = &service.lifecycle;
    let health = lifecycle.health();
    let database = health.dependency("database");

    let (on, state, until) = (service.store.pool().clone(), database.clone(), lifecycle.clone());
    lifecycle.supervise("activity-database", move || {
        postgres::prepare(on.clone(), &MIGRATOR, state.clone(), until.clone())
    });

    let (on, until) = (service.store.pool().clone(), lifecycle.clone());
    lifecycle.supervise("activity-pool", move || postgres::watch("activity", on.clone(), until.clone()));

    let (on, keys, until) = (Arc::clone(verifier), health.dependency("token keys"), lifecycle.clone());
    lifecycle.supervise("activity-token-keys", move || {
        let (on, keys, until) = (Arc::clone(&on), keys.clone(), until.clone());
        async move { on.keep_fresh(keys, until).await }
    });

    let supervise = Supervise { lifecycle, database: &database };
    let on = service.clone();
    supervise.with_schema("activity-rules", move || processor::run(on.clone()));
    let on = service.clone();
    supervise.with_schema("activity-notifications", move || notify::run(on.clone()));
    let (on, until) = (service.store.clone(), lifecycle.clone());
    supervise.with_schema("activity-metrics", move || metrics::run(on.clone(), until.clone()));
    let (on, keep, until) = (service.store.clone(), config.retention, lifecycle.clone());
    supervise.with_schema("activity-sweep", move || sweep::run(on.clone(), keep, until.clone()));
}

/// Starts loops that need the schema.
struct Supervise<'a> {
    lifecycle: &'a Lifecycle,
    database: &'a Dependency,
}

// === impl Supervise ===

impl Supervise<'_> {
    /// A loop that begins when the schema is there for the first time.
    fn with_schema<F>(&self, name: &'static str, start: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (database, until, start) = (self.database.clone(), self.lifecycle.clone(), Arc::new(start));
        self.lifecycle.supervise(name, move || {
            let (database, until, start) = (database.clone(), until.clone(), Arc::clone(&start));
            async move {
                while !database.is_up() && !until.is_draining() {
                    tokio::select! { () = sleep(LOOK) => {}, () = until.draining() => {} }
                }
                start().await;
            }
        });
    }
}
