//! One instance of the sockets, and people who may connect to it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calendar_service::{
    bus::{MemoryBus, RoomBus},
    calendar::{self, NewCalendar},
    model::{ChangeKind, NewChange, Role},
    password::Passwords,
    reminder::Reminders,
    service::{Nudge, Service},
    socket::{BroadcastScope, SessionBook, SocketLimits, SocketParts, Sockets},
    store::Store,
};
use chassis::{
    clock::{Clock as _, SystemClock},
    fault::Fault,
    lifecycle::Lifecycle,
    rpc::channel,
    service_token::ServiceToken,
    tokens::{AUDIENCE, BearerToken, Claims, ISSUER, Identity, KeySource, PURPOSE_ACCESS, Verifier},
};
use futures::{FutureExt as _, future::BoxFuture};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::{
    client::{Client, SOON},
    notification_double::NotificationDouble,
    participants,
};

/// The key pair of RFC 8037, appendix A.
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const SECRET: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
/// What comes before the key in a PKCS #8 file of Ed25519.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The password of every calendar.
pub(crate) const PASSWORD: &str = "let me in";

/// What a test may change.
pub(crate) struct Plan {
    /// Bounds of a connection.
    pub(crate) limits: SocketLimits,
    /// Who hears a message without a calendar.
    pub(crate) scope: BroadcastScope,
}

/// A running instance; stopped when dropped.
pub(crate) struct House {
    pub(crate) service: Service,
    pub(crate) notification: NotificationDouble,
    pub(crate) sockets: Sockets,
    pub(crate) address: SocketAddr,
    pub(crate) book: Arc<Book>,
    pub(crate) serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// A person, as their token says.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) identity: Identity,
}

/// The sessions that ended.
#[derive(Default)]
pub(crate) struct Book(Mutex<Vec<Uuid>>);

struct Keys;

impl Default for Plan {
    fn default() -> Self {
        Self { limits: SocketLimits::default(), scope: BroadcastScope::Everyone }
    }
}

impl House {
    pub(crate) async fn open(pool: &PgPool) -> Self {
        Self::open_as(pool, Plan::default()).await
    }

    pub(crate) async fn open_as(pool: &PgPool, plan: Plan) -> Self {
        Self::open_on(pool, plan, |_| Arc::new(MemoryBus::new())).await
    }

    /// An instance on the bus that is made for its life.
    pub(crate) async fn open_on(
        pool: &PgPool,
        plan: Plan,
        bus: impl FnOnce(&Lifecycle) -> Arc<dyn RoomBus>,
    ) -> Self {
        chassis::install_crypto_provider();
        let notification = NotificationDouble::default();
        let clock = channel(&notification.serve().await.parse().unwrap());
        let lifecycle = Lifecycle::new();
        let service = Service {
            store: Store::new(pool.clone()),
            lists: Arc::default(),
            bus: bus(&lifecycle),
            passwords: Passwords::new(),
            participants: participants::start().await,
            reminders: Reminders::new(clock, ServiceToken::random()),
            nudge: Nudge::default(),
            lifecycle,
        };
        let book = Arc::new(Book::default());
        let sockets = Sockets::start(SocketParts {
            service: service.clone(),
            verifier: Verifier::new("calendar", Arc::new(Keys), Arc::new(SystemClock)),
            book: Arc::<Book>::clone(&book),
            clock: Arc::new(SystemClock),
            limits: plan.limits,
            scope: plan.scope,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn({
            let sockets = sockets.clone();
            async move { sockets.serve(listener, chassis::tls::Acceptor::plain()).await }
        });
        Self { service, notification, sockets, address, book, serving }
    }

    /// A calendar of this owner.
    pub(crate) async fn calendar(&self, owner: &Person, name: &str) -> Uuid {
        let new = NewCalendar {
            calendar_name: name.to_owned(),
            calendar_password: PASSWORD.to_owned(),
            ..NewCalendar::default()
        };
        calendar::create(&self.service, &owner.identity, new).await.unwrap().calendar_id
    }

    /// Makes somebody a member without the cost of a hash.
    pub(crate) async fn admit(&self, calendar_id: Uuid, person: &Person) {
        let Identity { account_id, username, .. } = &person.identity;
        let mut tx = self.service.store.begin().await.unwrap();
        let last = tx.lock_calendar(calendar_id).await.unwrap().unwrap();
        tx.insert_member(calendar_id, *account_id, username, Role::Editor, last + 1).await.unwrap();
        let who = (*account_id, &**username);
        let change = NewChange::member(ChangeKind::MemberJoined, username, who, Some(Role::Editor));
        let changes = tx.append(calendar_id, vec![change]).await.unwrap();
        tx.commit().await.unwrap();
        self.service.announce(changes);
    }

    /// Commits changes, and tells the bus of them or not.
    pub(crate) async fn append(&self, calendar_id: Uuid, texts: &[String], tell: bool) {
        let changes = texts.iter().map(|text| NewChange {
            kind: ChangeKind::Message,
            by: "log".into(),
            subject: None,
            payload: serde_json::json!({ "message": text }).to_string(),
        });
        let mut tx = self.service.store.begin().await.unwrap();
        let changes = tx.append(calendar_id, changes.collect()).await.unwrap();
        tx.commit().await.unwrap();
        if tell {
            self.service.announce(changes);
        }
    }

    /// The seq of a calendar's newest change.
    pub(crate) async fn last_seq(&self, calendar_id: Uuid) -> i64 {
        self.service.store.last_seqs(&[calendar_id]).await.unwrap()[0].1
    }

    pub(crate) async fn connect(&self, person: &Person) -> Client {
        Client::connect(self.address, &person.token(), &[]).await.unwrap()
    }

    /// Closes a connection, and waits until the house knows.
    pub(crate) async fn part(&self, mut client: Client) {
        let before = self.sockets.count();
        client.send(Message::Close(None)).await;
        let patience = tokio::time::Instant::now() + SOON;
        while self.sockets.count() >= before {
            assert!(tokio::time::Instant::now() < patience, "the house does not notice");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Connects, and joins a room without a password.
    pub(crate) async fn join(&self, person: &Person, calendar: &str) -> Client {
        let mut client = self.connect(person).await;
        client.ask(&serde_json::json!({ "type": "join_calendar", "calendar_name": calendar })).await.unwrap();
        client.until("joined").await;
        client
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.service.lifecycle.abort();
    }
}

impl Person {
    pub(crate) fn new(username: &str) -> Self {
        Self::living(username, Duration::from_hours(1))
    }

    pub(crate) fn living(username: &str, life: Duration) -> Self {
        Self {
            identity: Identity {
                account_id: Uuid::new_v4(),
                username: username.into(),
                session_id: Uuid::new_v4(),
                expires_at: SystemClock.now() + life,
                token: BearerToken::new(""),
            },
        }
    }

    pub(crate) fn token(&self) -> String {
        let now = SystemClock.now().as_second();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: self.identity.account_id,
            name: self.identity.username.to_string(),
            sid: self.identity.session_id,
            iat: now,
            nbf: now,
            exp: self.identity.expires_at.as_second(),
            purpose: PURPOSE_ACCESS.to_owned(),
        };
        let mut der = PKCS8.to_vec();
        der.extend(URL_SAFE_NO_PAD.decode(SECRET).unwrap());
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap()
    }
}

impl Book {
    pub(crate) fn end(&self, session_id: Uuid) {
        self.0.lock().unwrap().push(session_id);
    }
}

impl SessionBook for Book {
    fn is_live(&self, session_id: Uuid) -> BoxFuture<'_, Result<bool, Fault>> {
        let live = !self.0.lock().unwrap().contains(&session_id);
        async move { Ok(live) }.boxed()
    }

    fn ended_within(&self, _: Duration) -> BoxFuture<'_, Result<Vec<Uuid>, Fault>> {
        let ended = self.0.lock().unwrap().clone();
        async { Ok(ended) }.boxed()
    }

    fn ended_of(&self, _: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Uuid>, Fault>> {
        self.ended_within(Duration::ZERO)
    }
}

impl KeySource for Keys {
    fn fetch(&self) -> BoxFuture<'_, Result<String, Fault>> {
        let keys = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"one","x":"{PUBLIC}"}}]}}"#
        );
        async { Ok(keys) }.boxed()
    }
}
