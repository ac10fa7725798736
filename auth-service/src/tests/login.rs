//! Logging in, and guessing.

use std::time::Duration;

use chassis::fault::{Fault, Reason};
use sqlx::PgPool;
use uuid::Uuid;

use super::fixture::{Fixture, HOME, PASSWORD, fault, reason};
use crate::{
    model::{NewPassword, UserAgent, UsernameKey},
    store::{NewSession, Tried},
};

const AWAY: &str = "198.51.100.1";

/// Fails `times` times from an address that the account does not know.
async fn guess(fixture: &Fixture, username: &str, times: u32) {
    for _ in 0..times {
        let refused = reason(fixture.try_login(username, "wrong horse", AWAY).await);
        assert_eq!(refused, Reason::InvalidCredentials);
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_answer_tells_the_name_the_session_and_its_end(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let account_id = fixture.register("Ann").await;
    let login = fixture.login("ann").await;
    let identity = fixture.app.verifier.verify(&login.token).await.expect("a good token");
    assert_eq!(identity.account_id, account_id);
    assert_eq!(&*identity.username, "Ann");
    assert_eq!(identity.session_id.to_string(), login.session_id);
    assert_eq!(identity.expires_at.to_string(), login.expires_at);
    assert!(fixture.is_active(&login.session_id).await);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_unknown_name_and_a_wrong_password_answer_the_same(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.register("ann").await;
    let wrong = fault(fixture.try_login("ann", "wrong horse", HOME).await);
    assert_eq!(wrong.reason, Reason::InvalidCredentials);
    // Any string is a try: none is told apart by its form.
    for name in ["bob", "", "ab", "ann ", "ann\0", "änn", &"a".repeat(5000)] {
        assert_eq!(fault(fixture.try_login(name, PASSWORD, HOME).await), wrong, "{name:?}");
    }
    for password in ["", "short", "\0", &"x".repeat(5000)] {
        assert_eq!(fault(fixture.try_login("ann", password, HOME).await), wrong, "{password:?}");
    }
}

/// Not a stopwatch: the work itself is counted, by the memory it leaves warm.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_unknown_name_costs_a_hash_as_well(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let hashes = &fixture.app.accounts.login.hashes;
    assert_eq!(hashes.warm_places(), 0);
    fault(fixture.try_login("nobody", PASSWORD, HOME).await);
    assert_eq!(hashes.warm_places(), 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn ten_failures_slow_unknown_clients_and_never_the_owner(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.newcomer("ann").await;
    guess(&fixture, "ann", 10).await;
    // Slowed, even with the right password, and told when to come back.
    let slowed = fault(fixture.try_login("ann", PASSWORD, AWAY).await);
    assert_eq!(slowed.reason, Reason::RateLimited);
    let wait = slowed.retry_after.expect("a time");
    assert!(wait > Duration::from_mins(1) && wait <= Duration::from_secs(90), "{wait:?}");
    // No address at all is an unknown client.
    assert_eq!(reason(fixture.try_login("ann", PASSWORD, "").await), Reason::RateLimited);
    // The owner's address is known: neither slowed, nor by her own mistakes.
    for _ in 0..20 {
        assert_eq!(reason(fixture.try_login("ann", "oops", HOME).await), Reason::InvalidCredentials);
    }
    fixture.login("ann").await;
    // One try comes back every 90 seconds.
    fixture.advance(Duration::from_secs(91)).await;
    guess(&fixture, "ann", 1).await;
    assert_eq!(reason(fixture.try_login("ann", "wrong horse", AWAY).await), Reason::RateLimited);
    // And all of them in a quarter of an hour.
    fixture.advance(Duration::from_mins(15)).await;
    guess(&fixture, "ann", 10).await;
    assert_eq!(reason(fixture.try_login("ann", "wrong horse", AWAY).await), Reason::RateLimited);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_name_that_nobody_has_is_slowed_just_the_same(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.newcomer("ann").await;
    guess(&fixture, "nobody", 10).await;
    guess(&fixture, "ann", 10).await;
    let (nobody, ann) = (
        fault(fixture.try_login("NOBODY", PASSWORD, AWAY).await),
        fault(fixture.try_login("ann", PASSWORD, AWAY).await),
    );
    // The wait may differ by the second in which the tries were made.
    assert_eq!(Fault { retry_after: None, ..nobody }, Fault { retry_after: None, ..ann });
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_address_is_known_after_a_login_from_it(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.newcomer("ann").await;
    fixture.newcomer("bob").await;
    guess(&fixture, "ann", 9).await;
    fixture.try_login("ann", PASSWORD, "2001:db8:1:2::1").await.expect("one try was left");
    guess(&fixture, "ann", 1).await;
    // The same /64 is the same client; other networks, and other people's, are not.
    fixture.try_login("ann", PASSWORD, "2001:db8:1:2:ffff::9").await.expect("known");
    assert_eq!(reason(fixture.try_login("ann", PASSWORD, "2001:db8:1:3::1").await), Reason::RateLimited);
    guess(&fixture, "bob", 10).await;
    assert_eq!(reason(fixture.try_login("bob", PASSWORD, "2001:db8:1:2::1").await), Reason::RateLimited);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_limit_comes_before_the_hash(pool: PgPool) {
    let fixture = Fixture::with(pool, |config| config.login.guesses.burst = 1).await;
    guess(&fixture, "ann", 1).await;
    let hashes = &fixture.app.accounts.login.hashes;
    // With every place taken a hash would be refused as unavailable.
    let _taken = hashes.take_all_places().await;
    assert_eq!(reason(fixture.try_login("ann", PASSWORD, AWAY).await), Reason::RateLimited);
    assert_eq!(reason(fixture.try_login("bob", PASSWORD, AWAY).await), Reason::Unavailable);
}

/// A login that checked the password before a change, and opens its session after.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_password_that_changed_meanwhile_opens_no_session(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.register("ann").await;
    let name = UsernameKey::of("ann");
    let guesses = fixture.config.login.guesses;
    let tried = fixture.app.store.try_login(&name, Uuid::nil(), None, guesses).await;
    let Ok(Tried::Admitted(candidate)) = tried else { panic!("not admitted") };
    let known = candidate.credentials.expect("an account");
    let another = NewPassword::parse("new", "another horse").expect("a good password");
    let password_hash = fixture.app.accounts.login.hashes.hash(&another).await.expect("hashed");
    let mut tx = fixture.app.store.begin().await.expect("begun");
    assert!(tx.change_password_hash(&known, &password_hash).await.expect("changed"));
    tx.commit().await.expect("committed");
    let new = NewSession {
        session_id: Uuid::now_v7(),
        user_agent: &UserAgent::new(""),
        client: None,
        remember: false,
        ttl: Duration::from_mins(1),
        per_account: 5,
    };
    assert!(fixture.app.store.open_session(&known, &new).await.expect("answered").is_none());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_oldest_session_makes_room_for_one_too_many(pool: PgPool) {
    let fixture = Fixture::with(pool, |config| config.login.sessions_per_account = 3).await;
    fixture.register("ann").await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(fixture.login("ann").await.session_id);
        fixture.advance(Duration::from_secs(1)).await;
    }
    for (n, session_id) in sessions.iter().enumerate() {
        assert_eq!(fixture.is_active(session_id).await, n >= 2, "session {n}");
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_account_remembers_its_latest_clients_only(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.register("ann").await;
    for n in 0..40 {
        fixture.try_login("ann", PASSWORD, &format!("203.0.113.{n}")).await.expect("logged in");
    }
    let clients = sqlx::query_scalar!("select client from known_clients order by last_login_at");
    let clients = clients.fetch_all(&fixture.pool).await.expect("listed");
    assert_eq!(clients.len(), 32);
    assert_eq!(clients.first().map(String::as_str), Some("203.0.113.8"));
}
