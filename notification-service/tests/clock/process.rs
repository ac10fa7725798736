//! The whole service on its own sockets, as the gateway and the other services
//! see it.

use std::{convert::Infallible, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    clock::{Clock as _, SystemClock},
    fault::{Fault, Reason},
    lifecycle::Lifecycle,
    rpc::{authorize, channel, outbound},
    service_token::ServiceToken,
    tokens::{AUDIENCE, BearerToken, Claims, ISSUER, PURPOSE_ACCESS},
};
use clap::Parser;
use futures::{FutureExt as _, future::BoxFuture};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use notification_service::{Listeners, MIGRATOR, RunError, Settings};
use proto::{
    auth::v1::{JwksRequest, JwksResponse},
    notification::v1::{
        CancelTimerRequest, CreateTimerRequest, GetTimerRequest, GetWebhookSecretRequest, ListTimersRequest,
        NotifyAccountRequest, NotifyRequest, RotateWebhookSecretRequest, ScheduleReminderRequest,
        SetEventRemindersRequest, SetWebhookUrlRequest, StatusRequest,
        notification_service_client::NotificationServiceClient,
        notifier_service_client::NotifierServiceClient, reminder_service_client::ReminderServiceClient,
    },
};
use sqlx::PgPool;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    transport::{Channel, Server},
};
use uuid::Uuid;

use crate::world::{World, eventually};

/// The key pair of RFC 8037, appendix A.
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const SECRET: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
/// What comes before the key in a PKCS #8 file of Ed25519.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// auth-service, as far as it says its public keys.
#[derive(Clone)]
struct Keys;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

/// A running service.
pub(crate) struct Process {
    pub(crate) channel: Channel,
    pub(crate) lifecycle: Lifecycle,
    token: ServiceToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl Process {
    /// Runs over the world's database with these arguments, and is ready.
    pub(crate) async fn start(world: &World, arguments: &[&str]) -> Self {
        let options = world.pool.connect_options();
        let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
        let database = format!("postgres://{user}@{host}:{port}/{}", options.get_database().unwrap());
        let process = Self::start_on(&database, &world.address, arguments).await;
        eventually("it is ready", async || process.lifecycle.health().missing().is_empty()).await;
        process
    }

    async fn start_on(database: &str, calendar: &str, arguments: &[&str]) -> Self {
        let auth = serve_keys().await;
        let usual =
            ["service", "--database-url", database, "--auth-url", auth.as_str(), "--calendar-url", calendar];
        let local = ["--webhook-allow-cidrs", "127.0.0.0/8"];
        let line = Line::try_parse_from([&usual[..], &local, arguments].concat()).unwrap();
        let token = ServiceToken::random();
        let config = line.settings.with_token(token.clone()).unwrap();
        let lifecycle = Lifecycle::new();
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listeners = Listeners { grpc: bind().await, admin: Some(bind().await) };
        let channel = channel(&format!("http://{}", listeners.grpc.local_addr().unwrap()).parse().unwrap());
        let running = tokio::spawn(notification_service::run(config, listeners, lifecycle.clone()));
        Self { channel, lifecycle, token, running }
    }

    pub(crate) fn as_service<T>(&self, message: T) -> Request<T> {
        outbound(message, &self.token)
    }

    /// Drops it wherever it is.
    pub(crate) async fn kill(self) {
        self.lifecycle.abort();
        timeout(Duration::from_secs(40), self.running).await.expect("in time").unwrap().unwrap();
    }

    pub(crate) async fn stop(self) {
        drop(self.channel);
        self.lifecycle.drain();
        timeout(Duration::from_secs(9), self.running).await.expect("in time").unwrap().unwrap();
    }
}

fn as_person<T>(message: T, account: Uuid) -> Request<T> {
    let now = SystemClock.now().as_second();
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: account,
        name: "ann".into(),
        sid: Uuid::now_v7(),
        iat: now,
        nbf: now,
        exp: now + 3600,
        purpose: PURPOSE_ACCESS.into(),
    };
    let der = [&PKCS8[..], &URL_SAFE_NO_PAD.decode(SECRET).unwrap()].concat();
    let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::EdDSA) };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap();
    authorize(message, &BearerToken::new(token))
}

fn reason<T>(answer: Result<T, Status>) -> Option<Reason> {
    answer.err().map(|status| Fault::from_status(&status).reason)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_timer_over_grpc_calls_its_receiver(pool: PgPool) {
    let world = World::new(pool).await;
    let process = Process::start(&world, &[]).await;
    let mut client = NotificationServiceClient::new(process.channel.clone());
    let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
    let new = CreateTimerRequest { hours: 0, minutes: 0, seconds: 1, url: world.receiver.url() };
    assert_eq!(reason(client.create_timer(new.clone()).await), Some(Reason::Unauthenticated));
    let timer = client.create_timer(as_person(new, ann)).await.unwrap().into_inner();
    assert_eq!((timer.time_left, timer.state.as_str(), timer.fired_at.as_str()), (1, "waiting", ""));
    world.receiver.until(1).await;
    world.until_over().await;
    let get = GetTimerRequest { timer_id: timer.timer_id.clone() };
    let seen = client.get_timer(as_person(get.clone(), ann)).await.unwrap().into_inner();
    assert_eq!(
        (seen.time_left, seen.state.as_str(), seen.attempts, seen.last_status),
        (0, "delivered", 1, 200)
    );
    assert!(seen.fired_at.ends_with('Z') && seen.due_at == timer.due_at);
    assert_eq!(reason(client.get_timer(as_person(get, bob)).await), Some(Reason::TimerNotFound));
    let none = GetTimerRequest { timer_id: "64ff71ca3df5dcb7760934c2".to_owned() };
    assert_eq!(reason(client.get_timer(as_person(none, ann)).await), Some(Reason::TimerNotFound));
    let cancel = CancelTimerRequest { timer_id: timer.timer_id };
    assert_eq!(reason(client.cancel_timer(as_person(cancel, ann)).await), Some(Reason::TimerFired));
    let list = client.list_timers(as_person(ListTimersRequest::default(), ann)).await.unwrap().into_inner();
    assert_eq!((list.timers.len(), list.next_cursor.as_str()), (1, ""));
    let bad = ListTimersRequest { cursor: "x".to_owned(), ..ListTimersRequest::default() };
    assert_eq!(reason(client.list_timers(as_person(bad, ann)).await), Some(Reason::Invalid));
    client.status(StatusRequest {}).await.unwrap();
    drop(client);
    process.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn people_need_a_token_and_services_theirs(pool: PgPool) {
    let world = World::new(pool).await;
    let process = Process::start(&world, &["--timers-public", "true"]).await;
    let refused = Some(Reason::Unauthenticated);
    let mut client = NotificationServiceClient::new(process.channel.clone());
    let ann = Uuid::now_v7();
    assert_eq!(reason(client.list_timers(ListTimersRequest::default()).await), refused);
    assert_eq!(reason(client.notify(NotifyRequest::default()).await), refused);
    let first =
        client.get_webhook_secret(as_person(GetWebhookSecretRequest {}, ann)).await.unwrap().into_inner();
    assert!(first.secret.starts_with("whsec_"));
    let same =
        client.get_webhook_secret(as_person(GetWebhookSecretRequest {}, ann)).await.unwrap().into_inner();
    assert_eq!(first.secret, same.secret);
    let rotated = client.rotate_webhook_secret(as_person(RotateWebhookSecretRequest {}, ann)).await.unwrap();
    assert_ne!(rotated.into_inner().secret, first.secret);
    let url = SetWebhookUrlRequest { url: world.receiver.url() };
    client.set_webhook_url(as_person(url, ann)).await.unwrap();
    // Timers are public here: with no token at all, not with a bad one.
    let new = CreateTimerRequest { hours: 0, minutes: 0, seconds: 1, url: world.receiver.url() };
    let timer = client.create_timer(new.clone()).await.unwrap().into_inner();
    let get = GetTimerRequest { timer_id: timer.timer_id };
    client.get_timer(get).await.unwrap();
    let mut broken = Request::new(new);
    broken.metadata_mut().insert("authorization", "Bearer nonsense".parse().unwrap());
    assert_eq!(reason(client.create_timer(broken).await), refused);
    world.receiver.until(1).await;
    assert_eq!(world.receiver.log()[0].header("webhook-signature"), "", "nobody's secret signs it");

    let mut reminders = ReminderServiceClient::new(process.channel.clone());
    let mut notifier = NotifierServiceClient::new(process.channel.clone());
    let set =
        SetEventRemindersRequest { event_id: Uuid::now_v7().to_string(), revision: 1, ..Default::default() };
    assert_eq!(reason(reminders.set_event_reminders(set.clone()).await), refused);
    reminders.set_event_reminders(process.as_service(set)).await.unwrap();
    let wish = ScheduleReminderRequest {
        name: "Tea".to_owned(),
        time: "2099-01-01 10:00".to_owned(),
        time_zone: "UTC".to_owned(),
        account_id: ann.to_string(),
        ..Default::default()
    };
    assert_eq!(reason(reminders.schedule_reminder(wish.clone()).await), refused);
    let scheduled = reminders.schedule_reminder(process.as_service(wish)).await.unwrap().into_inner();
    assert_eq!(scheduled.time, "2099-01-01T10:00:00.000Z");
    let note = NotifyAccountRequest {
        account_id: ann.to_string(),
        message: "Hello".to_owned(),
        id: "1".to_owned(),
        ..Default::default()
    };
    assert_eq!(reason(notifier.notify_account(note.clone()).await), refused);
    notifier.notify_account(process.as_service(note)).await.unwrap();
    eventually("the notification", async || world.calendar.book().notifications.len() == 1).await;
    drop((client, reminders, notifier));
    process.stop().await;
}

#[sqlx::test(migrations = false)]
async fn it_starts_before_what_it_needs_and_ends_when_told(_pool: PgPool) {
    // Nobody is at either address.
    let process = Process::start_on("postgres://nobody@127.0.0.1:9/none", "http://127.0.0.1:9", &[]).await;
    let mut client = NotificationServiceClient::new(process.channel.clone());
    let status =
        timeout(Duration::from_secs(10), client.status(StatusRequest {})).await.expect("never hangs");
    assert_eq!(reason(status), Some(Reason::Unavailable));
    let missing: Vec<_> = process.lifecycle.health().missing().into_iter().map(|(name, _)| name).collect();
    assert!(missing.contains(&"database".to_owned()), "{missing:?}");
    drop(client);
    process.stop().await;
}

async fn serve_keys() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::builder().add_service(Keys).serve_with_incoming(TcpListenerStream::new(listener)));
    format!("http://{address}")
}

impl NamedService for Keys {
    const NAME: &'static str = "auth.v1.AuthService";
}

impl UnaryService<JwksRequest> for Keys {
    type Response = JwksResponse;
    type Future = BoxFuture<'static, Result<Response<JwksResponse>, Status>>;

    fn call(&mut self, _: Request<JwksRequest>) -> Self::Future {
        let jwks_json = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"one","x":"{PUBLIC}"}}]}}"#
        );
        async { Ok(Response::new(JwksResponse { jwks_json })) }.boxed()
    }
}

/// Whatever is asked, the keys are the answer.
impl tower::Service<http::Request<Body>> for Keys {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        async {
            let mut grpc = Grpc::new(tonic_prost::ProstCodec::<JwksResponse, JwksRequest>::default());
            Ok(grpc.unary(Keys, request).await)
        }
        .boxed()
    }
}
