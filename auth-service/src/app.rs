//! The composition root: the only file that names every part.

use std::sync::Arc;

use chassis::{
    clock::{Clock, SystemClock},
    lifecycle::Lifecycle,
    postgres,
    rpc::{self, Caller, Guard},
    tokens::Verifier,
};
use tonic::service::Routes;

use crate::{
    Listeners, MIGRATOR, RunError,
    authentication::Authentication,
    config::Config,
    hashing::HashPool,
    last_seen::LastSeen,
    login::Login,
    metrics,
    outbox::Outbox,
    participation::Participation,
    password::Passwords,
    receivers::Receivers,
    register::Register,
    removal::Removal,
    rpc::{
        CALLERS, accounts::AccountRpc, directory::DirectoryRpc, participants::ParticipantRpc,
        sessions::SessionRpc,
    },
    session::Sessions,
    signing::{ring::KeyRing, rotation::Rotation, seal::SealingKey},
    store::Store,
    sweep,
    ticket::Tickets,
};

/// Every part of a running service, wired.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) rotation: Rotation,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) outbox: Outbox,
    pub(crate) last_seen: LastSeen,
    pub(crate) accounts: AccountRpc,
    pub(crate) sessions: SessionRpc,
    pub(crate) participants: ParticipantRpc,
    pub(crate) directory: DirectoryRpc,
}

/// Builds everything, serves until the lifecycle drains, and waits for what runs.
pub(crate) async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    metrics::describe();
    let pool = pool(&config)?;
    let app = App::new(&config, pool.clone(), Arc::new(SystemClock))?;
    app.spawn_loops(&pool, &lifecycle);
    if let Some(admin) = listeners.admin {
        let until = lifecycle.clone();
        lifecycle.accompany(async move {
            if let Err(error) = chassis::admin::serve(admin, until).await {
                tracing::error!(%error, "the admin listener ended");
            }
        });
    }
    let routes = app.routes();
    config.wire.keep_fresh("auth-certificate", "auth", &lifecycle);
    let guard = Guard { acceptor: config.wire.acceptor(), callers: CALLERS };
    let served = rpc::serve_guarded("auth", listeners.grpc, guard, routes, lifecycle.clone()).await;
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

/// The rotation of the keys, on an empty ring of its own.
pub(crate) fn rotation(config: &Config, pool: postgres::Pool) -> Result<Rotation, RunError> {
    let seal = SealingKey::from_file(&config.key_file).map_err(RunError::KeyFile)?;
    Ok(Rotation::new(Store::new(pool), Arc::new(seal), KeyRing::default(), config.key_rotation))
}

// === impl App ===

impl App {
    /// Wires the parts over `pool`.
    pub(crate) fn new(
        config: &Config,
        pool: impl Into<postgres::Pool>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RunError> {
        let pool = pool.into();
        let rotation = rotation(config, pool.clone())?;
        let (store, ring) = (Store::new(pool), rotation.ring());
        let verifier = Verifier::new("auth", Arc::new(ring.clone()), clock);
        let receivers = Receivers::new(
            &config.wire,
            &config.calendar_url,
            config.notification_url.as_ref(),
            config.activity_url.as_ref(),
            config.service_token.clone(),
        );
        let outbox = Outbox::new(store.clone(), receivers);
        let last_seen = LastSeen::new();
        let hashes = HashPool::new(config.hash_threads, config.hash_queue);
        let passwords = Passwords { store: store.clone(), hashes: hashes.clone() };
        let tickets = Tickets { store: store.clone(), ring: ring.clone() };
        let accounts = AccountRpc {
            caller: Caller::new(Arc::clone(&verifier)),
            register: Register {
                store: store.clone(),
                hashes: hashes.clone(),
                registration: config.registration.clone(),
            },
            login: Login { store: store.clone(), hashes, ring: ring.clone(), limits: config.login },
            sessions: Sessions { store: store.clone() },
            removal: Removal { store: store.clone(), passwords: passwords.clone(), outbox: outbox.clone() },
            passwords,
            tickets: tickets.clone(),
            ring,
            store: store.clone(),
        };
        let sessions = SessionRpc {
            token: config.service_token.clone(),
            authentication: Authentication { store: store.clone(), last_seen: last_seen.clone() },
            tickets,
        };
        let participants = ParticipantRpc {
            token: config.service_token.clone(),
            participation: Participation { store: store.clone() },
        };
        let directory = DirectoryRpc { token: config.service_token.clone(), store: store.clone() };
        Ok(Self { store, rotation, verifier, outbox, last_seen, accounts, sessions, participants, directory })
    }

    /// The gRPC services.
    pub(crate) fn routes(&self) -> Routes {
        Routes::new(self.accounts.clone().into_server())
            .add_service(self.sessions.clone().into_server())
            .add_service(self.participants.clone().into_server())
            .add_service(self.directory.clone().into_server())
    }

    /// Everything that runs beside the requests. Names are unique in the
    /// process: standalone has every service in one.
    fn spawn_loops(&self, pool: &postgres::Pool, lifecycle: &Lifecycle) {
        let health = lifecycle.health();

        let (on, database, until) = (pool.clone(), health.dependency("auth database"), lifecycle.clone());
        lifecycle.supervise("auth-database", move || {
            postgres::prepare(on.clone(), &MIGRATOR, database.clone(), until.clone())
        });

        let (on, until) = (pool.clone(), lifecycle.clone());
        lifecycle.supervise("auth-pool", move || postgres::watch("auth", on.clone(), until.clone()));

        let (on, keys, until) =
            (self.rotation.clone(), health.dependency("auth signing keys"), lifecycle.clone());
        lifecycle.supervise("auth-signing-keys", move || {
            let (on, keys, until) = (on.clone(), keys.clone(), until.clone());
            async move { on.run(keys, until).await }
        });

        let (on, keys, until) =
            (Arc::clone(&self.verifier), health.dependency("auth token keys"), lifecycle.clone());
        lifecycle.supervise("auth-token-keys", move || {
            let (on, keys, until) = (Arc::clone(&on), keys.clone(), until.clone());
            async move { on.keep_fresh(keys, until).await }
        });

        let (on, until) = (self.outbox.clone(), lifecycle.clone());
        lifecycle.supervise("auth-outbox", move || {
            let (on, until) = (on.clone(), until.clone());
            async move { on.run(until).await }
        });

        let (on, store, until) = (self.last_seen.clone(), self.store.clone(), lifecycle.clone());
        lifecycle.supervise("auth-last-seen", move || {
            let (on, store, until) = (on.clone(), store.clone(), until.clone());
            async move { on.run(store, until).await }
        });

        let (store, until) = (self.store.clone(), lifecycle.clone());
        lifecycle.supervise("auth-sweep", move || sweep::run(store.clone(), until.clone()));
    }
}
