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
use secrecy::ExposeSecret as _;
use tokio::time::sleep;
use tonic::service::Routes;

use crate::{
    Listeners, MIGRATOR, RunError,
    bus::{MemoryBus, RedisBus, RoomBus},
    config::Config,
    metrics, outbox,
    password::Passwords,
    reminder::Reminders,
    rpc::{AccountRpc, CALLERS, CalendarRpc, DeliveryRpc, TunnelRpc},
    saga::{Participants, runner},
    service::{Nudge, Service},
    socket::{RpcSessionBook, SocketParts, Sockets},
    store::{Lane, Store},
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
    let notification = rpc::channel_on(config.wire.to("notification"), &config.notification_url);
    let keys = Arc::new(RpcKeySource::new(auth.clone()));
    let verifier = Verifier::new("calendar", keys, Arc::clone(&clock));
    let service = Service {
        store: Store::new(pool.clone()),
        lists: Arc::default(),
        bus: bus(&config, &lifecycle)?,
        passwords: Passwords::new(),
        participants: Participants::new(auth.clone(), config.service_token.clone()),
        reminders: Reminders::new(notification, config.service_token.clone()),
        nudge: Nudge::default(),
        lifecycle: lifecycle.clone(),
    };
    spawn_loops(&service, &verifier, &pool);
    let bus = Arc::clone(&service.bus);
    let sockets = Sockets::start(SocketParts {
        service: service.clone(),
        verifier: Arc::clone(&verifier),
        book: Arc::new(RpcSessionBook::new(auth, config.service_token.clone())),
        clock,
        limits: config.limits,
        scope: config.broadcast_scope,
    });
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
    let routes = Routes::new(CalendarRpc { service: service.clone(), caller }.into_server())
        .add_service(AccountRpc { service: service.clone(), token: token.clone() }.into_server())
        .add_service(DeliveryRpc { service, token: token.clone() }.into_server())
        .add_service(TunnelRpc { tunnels: Arc::new(sockets.clone()), token }.into_server());
    config.wire.keep_fresh("calendar-certificate", "calendar", &lifecycle);
    let serving = async {
        let guard = Guard { acceptor: config.wire.acceptor(), callers: CALLERS };
        let served = rpc::serve_guarded("calendar", listeners.grpc, guard, routes, lifecycle.clone()).await;
        served.map_err(RunError::Serve)
    };
    // Whoever connects here says which gateway and which client it is: only a gateway is believed.
    let door = config.wire.acceptor().only(&["gateway"]);
    let rooms = async { sockets.serve(listeners.socket, door).await.map_err(RunError::Sockets) };
    tokio::try_join!(serving, rooms)?;
    bus.close();
    lifecycle.finish().await;
    // A connection that is in use keeps the pool open.
    tokio::select! { () = pool.close() => {}, () = lifecycle.aborting() => {} }
    Ok(())
}

/// The bus between instances, where there are several.
fn bus(config: &Config, lifecycle: &Lifecycle) -> Result<Arc<dyn RoomBus>, RunError> {
    Ok(match &config.redis_url {
        Some(url) => RedisBus::start(url.expose_secret(), lifecycle).map_err(RunError::Redis)?,
        None => Arc::new(MemoryBus::new()),
    })
}

/// The pool of the service's database, not connected yet.
pub(crate) fn pool(config: &Config) -> Result<postgres::Pool, RunError> {
    postgres::connect(&config.database_url, &config.replica_urls, config.database_connections)
        .map_err(RunError::Database)
}

/// Everything that runs beside the requests. Names are unique in the process:
/// standalone has every service in one.
fn spawn_loops(service: &Service, verifier: &Arc<Verifier>, pool: &postgres::Pool) {
    let lifecycle = &service.lifecycle;
    let health = lifecycle.health();
    let database = health.dependency("database");

    let (on, state, until) = (pool.clone(), database.clone(), lifecycle.clone());
    lifecycle.supervise("calendar-database", move || {
        postgres::prepare(on.clone(), &MIGRATOR, state.clone(), until.clone())
    });

    let (on, until) = (pool.clone(), lifecycle.clone());
    lifecycle.supervise("calendar-pool", move || postgres::watch("calendar", on.clone(), until.clone()));

    let (on, keys, until) = (Arc::clone(verifier), health.dependency("token keys"), lifecycle.clone());
    lifecycle.supervise("calendar-token-keys", move || {
        let (on, keys, until) = (Arc::clone(&on), keys.clone(), until.clone());
        async move { on.keep_fresh(keys, until).await }
    });

    let supervise = Supervise { lifecycle, database: &database };
    let on = service.clone();
    supervise.with_schema("calendar-sagas", move || runner::run(on.clone()));
    let on = service.clone();
    supervise.with_schema("calendar-outbox", move || outbox::run(on.clone(), Lane::Accounts));
    let on = service.clone();
    supervise.with_schema("calendar-outbox-reminders", move || outbox::run(on.clone(), Lane::Reminders));
    let (on, lists, until) = (service.store.clone(), Arc::clone(&service.lists), lifecycle.clone());
    supervise
        .with_schema("calendar-metrics", move || metrics::run(on.clone(), Arc::clone(&lists), until.clone()));
    let (on, until) = (service.store.clone(), lifecycle.clone());
    supervise.with_schema("calendar-sweep", move || sweep::run(on.clone(), until.clone()));
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
