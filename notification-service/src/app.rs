//! The composition root: the only file that names every part.

use std::{future::Future, sync::Arc, time::Duration};

use chassis::{
    clock::SystemClock,
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
    calendar::{self, CalendarClient},
    config::Config,
    due::{Alarm, Engine, Lanes},
    handlers::Handlers,
    metrics,
    rpc::{AccountRpc, CALLERS, NotificationRpc, NotifierRpc, ReminderRpc},
    service::Service,
    store::Store,
    sweep,
    webhook::{Client, SystemResolver},
};

/// Between two looks whether the schema is there.
const LOOK: Duration = Duration::from_millis(50);

/// Every part of a running service, wired.
struct App {
    service: Service,
    client: Client,
    engine: Engine,
    verifier: Arc<Verifier>,
}

/// Builds everything, serves until the lifecycle drains, and waits for what runs.
pub(crate) async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    metrics::describe();
    let pool = pool(&config)?;
    let app = App::new(&config, pool.clone());
    app.spawn_loops(&pool, &lifecycle);
    if let Some(admin) = listeners.admin {
        let until = lifecycle.clone();
        lifecycle.accompany(async move {
            if let Err(error) = chassis::admin::serve(admin, until).await {
                tracing::error!(%error, "the admin listener ended");
            }
        });
    }
    let routes = app.routes(&config);
    config.wire.keep_fresh("notification-certificate", "notification", &lifecycle);
    let guard = Guard { acceptor: config.wire.acceptor(), callers: CALLERS };
    let served = rpc::serve_guarded("notification", listeners.grpc, guard, routes, lifecycle.clone()).await;
    served.map_err(RunError::Serve)?;
    lifecycle.finish().await;
    // A connection that is in use keeps the pool open.
    tokio::select! { () = pool.close() => {}, () = lifecycle.aborting() => {} }
    Ok(())
}

/// The pool of the service's database, not connected yet.
pub(crate) fn pool(config: &Config) -> Result<postgres::Pool, RunError> {
    // Every statement here is about the beginning of an index, or about rows named
    // one by one, and is to be planned like that: what is due lies where the
    // statistics see next to nothing, so that the planner would rather read and
    // sort the whole backlog, or the whole table, at each claim.
    let plans = [
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_bitmapscan", "off"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
    ];
    postgres::connect_with(&config.database_url, &config.replica_urls, config.database_connections, &plans)
        .map_err(RunError::Database)
}

// === impl App ===

impl App {
    fn new(config: &Config, pool: postgres::Pool) -> Self {
        let auth = rpc::channel_on(config.wire.to("auth"), &config.auth_url);
        let calendar = rpc::channel_on(config.wire.to("calendar"), &config.calendar_url);
        let calendar = CalendarClient::new(calendar, config.service_token.clone());
        let (store, alarm) = (Store::new(pool), Alarm::default());
        let tls = Arc::clone(&config.webhook_tls);
        let client = Client::new(config.webhook_allow.clone(), Arc::new(SystemResolver::default()), tls);
        let handlers = Arc::new(Handlers::all(store.clone(), client.clone(), &calendar));
        let named = [(calendar::LANE, calendar::AT_ONCE)];
        let lanes = Lanes::new(config.deliveries, config.webhook_per_host, &named);
        Self {
            engine: Engine::new(store.clone(), handlers, alarm.clone(), lanes),
            service: Service {
                store,
                alarm,
                calendar,
                guard: client.guard().clone(),
                timers_public: config.timers_public,
            },
            client,
            verifier: Verifier::new("notification", Arc::new(RpcKeySource::new(auth)), Arc::new(SystemClock)),
        }
    }

    /// The four gRPC services.
    fn routes(&self, config: &Config) -> Routes {
        let (service, token) = (&self.service, &config.service_token);
        let caller = Caller::new(Arc::clone(&self.verifier));
        Routes::new(NotificationRpc { service: service.clone(), caller }.into_server())
            .add_service(ReminderRpc { service: service.clone(), token: token.clone() }.into_server())
            .add_service(NotifierRpc { service: service.clone(), token: token.clone() }.into_server())
            .add_service(AccountRpc { service: service.clone(), token: token.clone() }.into_server())
    }

    /// Everything that runs beside the requests. Names are unique in the
    /// process: standalone has every service in one.
    fn spawn_loops(&self, pool: &postgres::Pool, lifecycle: &Lifecycle) {
        let health = lifecycle.health();
        let database = health.dependency("database");

        let (on, state, until) = (pool.clone(), database.clone(), lifecycle.clone());
        lifecycle.supervise("notification-database", move || {
            postgres::prepare(on.clone(), &MIGRATOR, state.clone(), until.clone())
        });

        let (on, until) = (pool.clone(), lifecycle.clone());
        lifecycle.supervise("notification-pool", move || {
            postgres::watch("notification", on.clone(), until.clone())
        });

        let (on, keys, until) =
            (Arc::clone(&self.verifier), health.dependency("token keys"), lifecycle.clone());
        lifecycle.supervise("notification-token-keys", move || {
            let (on, keys, until) = (Arc::clone(&on), keys.clone(), until.clone());
            async move { on.keep_fresh(keys, until).await }
        });

        let supervise = Supervise { lifecycle, database: &database };
        let (on, until) = (self.engine.clone(), lifecycle.clone());
        supervise.with_schema("notification-due", move || on.clone().run(until.clone()));
        let (on, client, until) = (self.service.store.clone(), self.client.clone(), lifecycle.clone());
        supervise.with_schema("notification-metrics", move || {
            metrics::run(on.clone(), client.clone(), until.clone())
        });
        let (on, until) = (self.service.store.clone(), lifecycle.clone());
        supervise.with_schema("notification-sweep", move || sweep::run(on.clone(), until.clone()));
    }
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
                if !until.is_draining() {
                    start().await;
                }
            }
        });
    }
}
