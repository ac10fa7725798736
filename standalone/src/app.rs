//! The composition root: the only file that names every service.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use activity_service::RelayListeners;
use chassis::health::Dependency;
use chassis::lifecycle::Lifecycle;
use chassis::postgres;
use chassis::rpc::Targets;
use chassis::service_token::ServiceToken;
use sqlx::migrate::MigrateError;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::announce::Announcement;
use crate::config::{Config, ConfigError};
use crate::data_dir::DataDir;
use crate::databases::Databases;
use crate::services::Services;
use crate::{Listeners, RunError};

/// From the first signal until the embedded PostgreSQL has ended; the contract allows ten seconds in all.
const END: Duration = Duration::from_secs(9);
/// What PostgreSQL gets of that at least.
const SHORTEST_STOP: Duration = Duration::from_millis(500);
/// How often readiness is looked at until everything runs.
const POLL: Duration = Duration::from_millis(20);

/// Those that others connect to than this process.
struct PublicListeners {
    gateway: TcpListener,
    relay: RelayListeners,
}

/// Starts everything, serves until the lifecycle drains, and ends everything in reverse.
pub(crate) async fn run(config: Config, listeners: Listeners, lifecycle: Lifecycle) -> Result<(), RunError> {
    // Down until the last line of the start: an operator who looks earlier sees that it goes on.
    let start = lifecycle.health().dependency("start");
    let admin = listeners.admin.local_addr().map_err(RunError::Listen)?;
    let _admin =
        AbortOnDropHandle::new(tokio::spawn(chassis::admin::serve(listeners.admin, lifecycle.clone())));
    let ending = AbortOnDropHandle::new(tokio::spawn(end_of_service(lifecycle.clone())));

    let data_dir = DataDir::open(&config.data_dir)?;
    let Some(databases) = Databases::start(&config, &data_dir, &lifecycle).await? else {
        return Ok(());
    };
    let public = PublicListeners { gateway: listeners.gateway, relay: listeners.relay };
    let gateway = public.gateway.local_addr().map_err(RunError::Listen)?;
    let relay = public.relay.addresses().map_err(RunError::Listen)?;
    let announcement = Announcement {
        program: std::env::args().next().unwrap_or_else(|| "shared-calendar".to_owned()),
        gateway,
        tls: config.gateway.tls_cert_file.is_some(),
        relay,
        admin,
        data_dir: data_dir.path().to_path_buf(),
        postgres: databases.socket_folder().map(Into::into),
    };
    let outcome = async {
        migrate(&config, &databases).await?;
        let services = start_services(config, public, &databases, &lifecycle).await?;
        serve(services, &lifecycle, &start, &announcement).await
    };
    let outcome = outcome.await;
    lifecycle.drain();
    let ended = ending.await.unwrap_or_else(|_| Instant::now());
    databases.stop(END.saturating_sub(ended.elapsed()).max(SHORTEST_STOP)).await;
    outcome
}

/// Brings the embedded databases up to date before anybody looks at them. Databases of the operator's may be
/// away now: there the services migrate when they can.
async fn migrate(config: &Config, databases: &Databases) -> Result<(), RunError> {
    let auth = (&config.auth_database_url, &databases.auth, &auth_service::MIGRATOR);
    let calendar = (&config.calendar_database_url, &databases.calendar, &calendar_service::MIGRATOR);
    let notification =
        (&config.notification_database_url, &databases.notification, &notification_service::MIGRATOR);
    let activity = (&config.activity_database_url, &databases.activity, &activity_service::MIGRATOR);
    for (given, url, migrator) in [auth, calendar, notification, activity] {
        if given.is_none() {
            let pool = postgres::connect(url, &[], 1).map_err(MigrateError::from)?;
            postgres::migrate(&pool, migrator).await?;
            pool.close().await;
        }
    }
    Ok(())
}

/// The services over gRPC on internal listeners, those that are called before those that call.
async fn start_services(
    config: Config,
    listeners: PublicListeners,
    databases: &Databases,
    lifecycle: &Lifecycle,
) -> Result<Services, RunError> {
    let token = ServiceToken::random();
    let (auth_listener, auth_url) = internal().await?;
    let (calendar_listener, calendar_url) = internal().await?;
    let (socket_listener, socket_url) = internal().await?;
    let (notification_listener, notification_url) = internal().await?;
    let (activity_listener, activity_url) = internal().await?;

    let mut auth = config.auth;
    auth.database_url = databases.auth.clone();
    auth.calendar_url = calendar_url.clone();
    auth.notification_url = Some(notification_url.clone());
    auth.activity_url = Some(activity_url.clone());
    let auth = auth.with_token(token.clone()).map_err(ConfigError::new)?;

    let mut calendar = config.calendar;
    calendar.database_url = databases.calendar.clone();
    calendar.auth_url = auth_url.clone();
    calendar.notification_url = notification_url.clone();
    let calendar = calendar.with_token(token.clone()).map_err(ConfigError::new)?;

    let mut notification = config.notification;
    notification.database_url = databases.notification.clone();
    notification.auth_url = auth_url.clone();
    notification.calendar_url = calendar_url.clone();
    let notification = notification.with_token(token.clone()).map_err(ConfigError::new)?;

    let mut activity = config.activity;
    activity.database_url = databases.activity.clone();
    activity.auth_url = auth_url.clone();
    activity.notification_url = notification_url.clone();
    let activity = activity.with_token(token.clone()).map_err(ConfigError::new)?;

    let mut gateway = config.gateway;
    gateway.listen = listeners.gateway.local_addr().map_err(RunError::Listen)?;
    gateway.auth_url = auth_url;
    gateway.calendar_url = calendar_url;
    gateway.calendar_socket_url = socket_url;
    gateway.notification_url = notification_url;
    gateway.activity_url = activity_url;
    let gateway = gateway.with_token(token).map_err(ConfigError::new)?;

    let mut services = Services::of(lifecycle);
    let on = auth_service::Listeners { grpc: auth_listener, admin: None };
    services.start("auth-service", |until| auth_service::run(auth, on, until));
    let on = calendar_service::Listeners { grpc: calendar_listener, socket: socket_listener, admin: None };
    services.start("calendar-service", |until| calendar_service::run(calendar, on, until));
    let on = notification_service::Listeners { grpc: notification_listener, admin: None };
    services.start("notification-service", |until| notification_service::run(notification, on, until));
    let on = activity_service::Listeners { grpc: activity_listener, relay: listeners.relay, admin: None };
    services.start("activity-service", |until| activity_service::run(activity, on, until));
    let on = gateway::Listeners { public: listeners.gateway, admin: None };
    services.start("gateway", |until| gateway::run(gateway, on, until));
    Ok(services)
}

/// Says that everything runs once it does; until the process drains, or a service fails.
async fn serve(
    mut services: Services,
    lifecycle: &Lifecycle,
    start: &Dependency,
    announcement: &Announcement,
) -> Result<(), RunError> {
    let running = async {
        // What is missing still, but for this very start.
        while lifecycle.health().missing().len() > 1 {
            sleep(POLL).await;
        }
        start.up();
        eprintln!("{announcement}");
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        failure = services.failure() => Err(failure.into()),
        () = lifecycle.draining() => Ok(()),
        () = running => Ok(()),
    };
    // After a failure nobody has signalled: this starts the time that the others have to end.
    lifecycle.drain();
    services.stop().await;
    outcome
}

/// A listener for the other services of this process, and its URL.
async fn internal() -> Result<(TcpListener, Targets), RunError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(any).await.map_err(RunError::Listen)?;
    let address = listener.local_addr().map_err(RunError::Listen)?;
    let here = format!("http://{address}").parse().map_err(io::Error::other).map_err(RunError::Listen)?;
    Ok((listener, here))
}

/// When the process was told to end.
async fn end_of_service(lifecycle: Lifecycle) -> Instant {
    lifecycle.draining().await;
    Instant::now()
}
