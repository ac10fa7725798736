//! The service over a test's own database, with a clock that tests move.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::{
    clock::{Clock, SystemClock},
    fault::{Fault, Reason},
    rpc::{authorize, outbound},
    service_token::ServiceToken,
    tokens::BearerToken,
};
use jiff::{SignedDuration, Timestamp};
use proto::auth::v1::{
    AuthenticateRequest, LoginRequest, LoginResponse, RegisterRequest, auth_service_server::AuthService as _,
    session_service_server::SessionService as _,
};
use sqlx::PgPool;
use tempfile::TempDir;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{Config, GuessLimit, LoginLimits, Registration, app::App};

/// The password of everybody whose password does not matter.
pub(super) const PASSWORD: &str = "correct horse";
/// The address of clients whose address does not matter.
pub(super) const HOME: &str = "203.0.113.7";

/// The machine's clock and an offset: what `app_now()` is in the database.
#[derive(Clone, Default)]
struct ShiftedClock {
    nanos: Arc<AtomicI64>,
}

/// A service without its listeners and loops: tests drive those by hand.
pub(super) struct Fixture {
    pub(super) app: App,
    pub(super) pool: PgPool,
    pub(super) config: Config,
    clock: ShiftedClock,
    folder: TempDir,
}

// === impl ShiftedClock ===

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic() + Duration::from_nanos(self.nanos.load(Ordering::SeqCst) as u64)
    }
}

// === impl Fixture ===

impl Fixture {
    /// The service with the contract's settings.
    pub(super) async fn new(pool: PgPool) -> Self {
        Self::with(pool, |_| {}).await
    }

    /// The service with other settings.
    pub(super) async fn with(pool: PgPool, change: impl FnOnce(&mut Config)) -> Self {
        let fixture = Self::unprepared_with(pool, change);
        assert!(fixture.app.rotation.tend().await.expect("keys"), "the first key cannot sign");
        fixture
    }

    /// The service over a database that nothing was done to.
    pub(super) fn unprepared(pool: PgPool) -> Self {
        Self::unprepared_with(pool, |_| {})
    }

    fn unprepared_with(pool: PgPool, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(folder.path().join("auth.key"));
        change(&mut config);
        let clock = ShiftedClock::default();
        let app = App::new(&config, pool.clone(), Arc::new(clock.clone())).expect("wired");
        Self { app, pool, config, clock, folder }
    }

    /// The service started anew with other settings: only the database, the
    /// key file and the clock are the same.
    pub(super) async fn restart(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { pool, mut config, clock, folder, .. } = self;
        change(&mut config);
        let app = App::new(&config, pool.clone(), Arc::new(clock.clone())).expect("wired");
        app.rotation.tend().await.expect("keys");
        Self { app, pool, config, clock, folder }
    }

    /// Another instance of the service over the same database and key file.
    pub(super) fn second_instance(&self) -> App {
        App::new(&self.config, self.pool.clone(), Arc::new(self.clock.clone())).expect("wired")
    }

    /// Moves time, in the database and in the process.
    pub(super) async fn advance(&self, by: Duration) {
        self.clock.nanos.fetch_add(by.as_nanos() as i64, Ordering::SeqCst);
        sqlx::query!("update app_clock set shift = shift + make_interval(secs => $1)", by.as_secs_f64())
            .execute(&self.pool)
            .await
            .expect("moved");
    }

    /// Adds an account with the usual password; answers its id.
    pub(super) async fn register(&self, username: &str) -> Uuid {
        let request = RegisterRequest {
            username: username.to_owned(),
            password: PASSWORD.to_owned(),
            code: String::new(),
        };
        let answer = self.app.accounts.register(Request::new(request)).await.expect("registered");
        answer.into_inner().account_id.parse().expect("an id")
    }

    /// Logs in from home with the usual password.
    pub(super) async fn login(&self, username: &str) -> LoginResponse {
        self.try_login(username, PASSWORD, HOME).await.expect("logged in")
    }

    /// Tries to log in.
    pub(super) async fn try_login(
        &self,
        username: &str,
        password: &str,
        client: &str,
    ) -> Result<LoginResponse, Status> {
        let request = LoginRequest {
            username: username.to_owned(),
            password: password.to_owned(),
            user_agent: "a test".to_owned(),
            client_address: client.to_owned(),
        };
        self.app.accounts.login(Request::new(request)).await.map(Response::into_inner)
    }

    /// Adds an account and logs it in.
    pub(super) async fn newcomer(&self, username: &str) -> LoginResponse {
        self.register(username).await;
        self.login(username).await
    }

    /// Whether the session is live, as other services ask it.
    pub(super) async fn is_active(&self, session_id: &str) -> bool {
        let request = self.as_service(AuthenticateRequest { session_id: session_id.to_owned() });
        self.app.sessions.authenticate(request).await.expect("answered").into_inner().active
    }

    /// A request of another service.
    pub(super) fn as_service<T>(&self, message: T) -> Request<T> {
        outbound(message, &self.config.service_token)
    }

    /// Rows of the outbox.
    pub(super) async fn outbox_rows(&self) -> i64 {
        sqlx::query_scalar!(r#"select count(*) as "n!" from outbox"#)
            .fetch_one(&self.pool)
            .await
            .expect("counted")
    }
}

/// A request of a person.
pub(super) fn as_person<T>(message: T, login: &LoginResponse) -> Request<T> {
    authorize(message, &BearerToken::new(login.token.as_str()))
}

/// Why it was refused.
pub(super) fn reason<T: std::fmt::Debug>(answer: Result<T, Status>) -> Reason {
    fault(answer).reason
}

/// The refusal.
pub(super) fn fault<T: std::fmt::Debug>(answer: Result<T, Status>) -> Fault {
    Fault::from_status(&answer.expect_err("it should be refused"))
}

fn config(key_file: PathBuf) -> Config {
    Config {
        database_url: "postgres://unused".to_owned().into(),
        replica_urls: Vec::new(),
        database_connections: 5,
        key_file,
        service_token: ServiceToken::random(),
        wire: chassis::tls::Wire::plain(),
        // Nobody listens there; tests of the outbox say otherwise.
        calendar_url: "http://127.0.0.1:9".parse().expect("an address"),
        notification_url: None,
        activity_url: None,
        registration: Registration::Open,
        login: LoginLimits {
            session_ttl: Duration::from_hours(30 * 24),
            sessions_per_account: 500,
            guesses: GuessLimit { burst: 10, window: Duration::from_mins(15) },
        },
        key_rotation: Duration::from_hours(90 * 24),
        hash_threads: 2,
        hash_queue: 64,
    }
}
