//! The whole service on its own sockets, before, without and with a database.

use std::{net::SocketAddr, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    lifecycle::Lifecycle,
    rpc,
};
use proto::auth::v1::{
    JwksRequest, LoginRequest, RegisterRequest, StatusRequest, auth_service_client::AuthServiceClient,
};
use sqlx::PgPool;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::{Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::fixture::{Fixture, PASSWORD};
use crate::{Listeners, RunError};

/// A way to the database that can be cut and mended.
struct Wire {
    address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Wire {
    async fn to(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (whole, state) = watch::channel(false);
        tokio::spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.expect("accepted");
                let mut state = state.clone();
                streams.spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(database).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { address, whole }
    }
}

struct Service {
    channel: Channel,
    client: AuthServiceClient<Channel>,
    lifecycle: Lifecycle,
    ended: tokio::task::JoinHandle<Result<(), RunError>>,
}

impl Service {
    /// Runs over a database at `wire`, with the fixture's other settings.
    async fn start(fixture: &Fixture, wire: &Wire) -> Self {
        let options = fixture.pool.connect_options();
        let database = options.get_database().expect("a name");
        let user = options.get_username();
        let mut config = fixture.config.clone();
        config.database_url = format!("postgres://{user}@{}/{database}", wire.address).into();
        let grpc = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = grpc.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        let ended = tokio::spawn(crate::run(config, Listeners { grpc, admin: None }, lifecycle.clone()));
        let channel = rpc::channel(&format!("http://{address}").parse().expect("an address"));
        Self { client: AuthServiceClient::new(channel.clone()), channel, lifecycle, ended }
    }

    async fn status(&self) -> Result<(), Status> {
        self.client.clone().status(StatusRequest {}).await.map(drop)
    }

    async fn login(&self) -> Result<(), Status> {
        let message = LoginRequest {
            username: "ann".to_owned(),
            password: PASSWORD.to_owned(),
            ..LoginRequest::default()
        };
        self.client.clone().login(message).await.map(drop)
    }

    /// Waits for the state, and for the readiness that goes with it.
    async fn until(&self, up: bool) {
        let reached = async {
            while self.status().await.is_ok() != up || self.lifecycle.health().missing().is_empty() != up {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(15), reached).await.expect("in time");
    }
}

fn unavailable(answer: Result<(), Status>) {
    let fault = Fault::from_status(&answer.expect_err("the database is away"));
    assert_eq!(fault.reason, Reason::Unavailable);
    assert!(fault.retry_after.is_some());
}

async fn database(pool: &PgPool) -> SocketAddr {
    let options = pool.connect_options();
    let address = (options.get_host().to_owned(), options.get_port());
    tokio::net::lookup_host(address).await.expect("resolved").next().expect("an address")
}

#[sqlx::test(migrations = false)]
async fn it_serves_before_and_after_its_database(pool: PgPool) {
    // No migration has run here: the service brings its schema itself.
    let (fixture, wire) = (Fixture::unprepared(pool.clone()), Wire::to(database(&pool).await).await);
    let service = Service::start(&fixture, &wire).await;

    unavailable(service.status().await);
    unavailable(service.login().await);
    unavailable(service.client.clone().jwks(JwksRequest {}).await.map(drop));
    assert!(!service.lifecycle.health().missing().is_empty());

    wire.whole.send_replace(true);
    service.until(true).await;
    let message =
        RegisterRequest { username: "ann".to_owned(), password: PASSWORD.to_owned(), code: String::new() };
    service.client.clone().register(message).await.expect("registered");
    service.login().await.expect("logged in");

    wire.whole.send_replace(false);
    service.until(false).await;
    unavailable(service.login().await);
    // The keys are known: verifiers elsewhere are not cut off as well.
    service.client.clone().jwks(JwksRequest {}).await.expect("keys");

    wire.whole.send_replace(true);
    service.until(true).await;
    service.login().await.expect("logged in");

    service.lifecycle.drain();
    let ended = timeout(Duration::from_secs(5), service.ended).await.expect("in time");
    ended.expect("no panic").expect("no failure");
}

#[sqlx::test(migrations = false)]
async fn grpc_health_tells_whether_it_can_serve(pool: PgPool) {
    let (fixture, wire) = (Fixture::unprepared(pool.clone()), Wire::to(database(&pool).await).await);
    let service = Service::start(&fixture, &wire).await;
    let health = async || {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(service.channel.clone()).check(request).await;
        answer.expect("answered").into_inner().status()
    };
    assert_eq!(health().await, ServingStatus::NotServing);
    wire.whole.send_replace(true);
    let serving = async {
        while health().await != ServingStatus::Serving {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(15), serving).await.expect("in time");
}
