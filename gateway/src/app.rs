//! The composition root: the only file that names every part.

use std::{sync::Arc, time::Duration};

use chassis::{
    clock::{Clock, SystemClock},
    http_server,
    lifecycle::Lifecycle,
    tls::Acceptor,
    tokens::Verifier,
};
use secrecy::ExposeSecret as _;
use tokio::time::sleep;

use crate::{
    Listeners, RunError,
    config::Config,
    edge::{
        self, EdgeRules,
        limit::{Limits, LocalStore, SharedStore, Store},
    },
    metrics::{self, Requests},
    redis_link::RedisLink,
    routes,
    session_cache::{MemorySessions, RedisSessions, SessionCache},
    sessions::Sessions,
    state::{App, Parts},
    tunnel::{self, Tunnels},
    upstream::Upstream,
};

/// Sessions remembered where there is no Redis.
const REMEMBERED: u64 = 100_000;
/// How often whole budgets are forgotten.
const SWEEP: Duration = Duration::from_secs(10);

/// Builds everything, serves until the lifecycle drains, and waits for what runs.
pub(crate) async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    metrics::describe();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let upstream =
        Upstream::new(config.services, &config.wire, config.breaker, config.service_token, &lifecycle);

    let verifier = Verifier::new("gateway", Arc::new(upstream.clone()), Arc::clone(&clock));
    let keys = lifecycle.health().dependency("token keys");
    let (on, until) = (Arc::clone(&verifier), lifecycle.clone());
    lifecycle.supervise("gateway-token-keys", move || {
        let (on, keys, until) = (Arc::clone(&on), keys.clone(), until.clone());
        async move { on.keep_fresh(keys, until).await }
    });

    // One link and one breaker: 50 ms are the cost of a request, not of each call.
    let link = config.redis_url.as_ref().map(|url| RedisLink::new(url.expose_secret()).map(Arc::new));
    let link = link.transpose().map_err(RunError::Redis)?;
    let cache: Arc<dyn SessionCache> = match &link {
        Some(link) => Arc::new(RedisSessions::start(Arc::clone(link), &lifecycle)),
        None => Arc::new(MemorySessions::new(REMEMBERED)),
    };
    let sessions = Sessions::new(verifier, cache, upstream.clone(), Arc::clone(&clock));
    let (on, until) = (sessions.clone(), lifecycle.clone());
    lifecycle.supervise("gateway-ended-sessions", move || {
        let (on, until) = (on.clone(), until.clone());
        async move { on.listen(until).await }
    });

    let local = Arc::new(LocalStore::new(config.limits.keys, clock));
    let (on, until) = (Arc::clone(&local), lifecycle.clone());
    lifecycle.supervise("gateway-limit-sweep", move || sweep(Arc::clone(&on), until.clone()));
    let store: Arc<dyn Store> = match link {
        Some(link) => Arc::new(SharedStore::new(link, local)),
        None => local,
    };
    let limits = Limits::new(config.limits, store, sessions.clone());

    let sockets = (config.calendar_sockets, config.wire.to("calendar"));
    let tunnels = Tunnels::new(sockets, config.breaker, config.tunnels, upstream.clone(), &lifecycle);
    let app = App::from(Parts {
        upstream,
        sessions,
        tunnels,
        origins: config.origins.clone(),
        timers_public: config.timers_public,
    });
    let rules = EdgeRules {
        proxies: config.proxies,
        origins: config.origins,
        https: config.https,
        requests: Arc::new(Requests::default()),
    };
    let answering = routes::router(&limits).with_state(app.clone());
    let holding = tunnel::router(&limits).with_state(app);
    let service = edge::inbound(answering, holding, rules);

    if let Some(admin) = listeners.admin {
        let until = lifecycle.clone();
        lifecycle.accompany(async move {
            if let Err(error) = chassis::admin::serve(admin, until).await {
                tracing::error!(%error, "the admin listener ended");
            }
        });
    }
    config.wire.keep_fresh("gateway-certificate", "gateway", &lifecycle);
    let door = match config.certificate {
        Some(certificate) => {
            certificate.keep_fresh("gateway-public-certificate", "gateway", "public", &lifecycle);
            Acceptor::public(certificate).map_err(RunError::Tls)?
        }
        None => Acceptor::plain(),
    };
    let (public, until) = (listeners.public, lifecycle.clone());
    let served = http_server::serve_accepted(public, door, service, config.http, until).await;
    served.map_err(RunError::Serve)?;
    lifecycle.finish().await;
    Ok(())
}

async fn sweep(store: Arc<LocalStore>, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        store.sweep();
        tokio::select! { () = sleep(SWEEP) => {}, () = lifecycle.draining() => {} }
    }
}
