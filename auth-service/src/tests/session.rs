//! Sessions: as their owner and as other services see them.

use std::time::Duration;

use chassis::fault::Reason;
use proto::auth::v1::{
    AuthenticateRequest, CheckSessionsRequest, EndSessionRequest, ListEndedSessionsRequest,
    ListSessionsRequest, LoginResponse, LogoutRequest, Session, auth_service_server::AuthService as _,
    session_service_server::SessionService as _,
};
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::fixture::{Fixture, as_person, fault, reason};
use crate::sweep::sweep;

/// How long a session lives, in minutes.
const MONTH: u64 = 30 * 24 * 60;

async fn list(fixture: &Fixture, caller: &LoginResponse) -> Result<Vec<Session>, Status> {
    let answer = fixture.app.accounts.list_sessions(as_person(ListSessionsRequest {}, caller)).await;
    answer.map(|list| list.into_inner().sessions)
}

async fn end(fixture: &Fixture, caller: &LoginResponse, session_id: &str) -> Result<Vec<String>, Status> {
    let message = EndSessionRequest { session_id: session_id.to_owned() };
    let answer = fixture.app.accounts.end_session(as_person(message, caller)).await;
    answer.map(|ended| ended.into_inner().session_ids)
}

async fn logout(fixture: &Fixture, caller: &LoginResponse) -> Result<Vec<String>, Status> {
    let answer = fixture.app.accounts.logout(as_person(LogoutRequest {}, caller)).await;
    answer.map(|ended| ended.into_inner().session_ids)
}

async fn ended_within(fixture: &Fixture, within: Duration) -> Vec<String> {
    let message = ListEndedSessionsRequest { within_ms: within.as_millis() as u64 };
    let answer = fixture.app.sessions.list_ended_sessions(fixture.as_service(message)).await;
    answer.expect("answered").into_inner().session_ids
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_person_sees_their_own_sessions_newest_first(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let first = fixture.newcomer("ann").await;
    fixture.newcomer("bob").await;
    fixture.advance(Duration::from_secs(5)).await;
    let second = fixture.login("ann").await;
    let sessions = list(&fixture, &first).await.expect("listed");
    let ids: Vec<_> = sessions.iter().map(|session| &session.session_id).collect();
    assert_eq!(ids, [&second.session_id, &first.session_id]);
    assert_eq!(sessions.iter().map(|session| session.current).collect::<Vec<_>>(), [false, true]);
    assert_eq!(sessions[0].user_agent, "a test");
    assert!(sessions.iter().all(|s| s.created_at.ends_with('Z') && s.expires_at > s.created_at));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_logged_out_token_is_worth_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let other = fixture.login("ann").await;
    assert_eq!(logout(&fixture, &ann).await.expect("ended"), [ann.session_id.as_str()]);
    assert!(!fixture.is_active(&ann.session_id).await);
    // Everything that a person may ask, with the dead token.
    assert_eq!(reason(logout(&fixture, &ann).await), Reason::Unauthenticated);
    assert_eq!(reason(list(&fixture, &ann).await), Reason::Unauthenticated);
    assert_eq!(reason(end(&fixture, &ann, &other.session_id).await), Reason::Unauthenticated);
    // Her other session is untouched.
    assert_eq!(list(&fixture, &other).await.expect("listed").len(), 1);
    assert_eq!(ended_within(&fixture, Duration::from_mins(1)).await, [ann.session_id]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn ending_a_session_tells_strangers_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let second = fixture.login("ann").await;
    let bob = fixture.newcomer("bob").await;
    let foreign = fault(end(&fixture, &bob, &ann.session_id).await);
    assert_eq!(foreign.reason, Reason::SessionNotFound);
    for target in [Uuid::now_v7().to_string().as_str(), "", "no id", &"x".repeat(5000)] {
        assert_eq!(fault(end(&fixture, &bob, target).await), foreign, "{target}");
    }
    assert!(fixture.is_active(&ann.session_id).await);
    let ended = end(&fixture, &ann, &second.session_id).await.expect("her own");
    assert_eq!(ended, [second.session_id.as_str()]);
    assert!(!fixture.is_active(&second.session_id).await);
    assert_eq!(reason(end(&fixture, &ann, &second.session_id).await), Reason::SessionNotFound);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_session_ends_with_its_thirtieth_day(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    fixture.advance(Duration::from_mins(MONTH - 1)).await;
    let request = fixture.as_service(AuthenticateRequest { session_id: ann.session_id.clone() });
    let answer = fixture.app.sessions.authenticate(request).await.expect("answered").into_inner();
    assert!(answer.active && (1..=60).contains(&answer.expires_in), "{answer:?}");
    assert_eq!(answer.username, "ann");
    fixture.advance(Duration::from_mins(1)).await;
    assert!(!fixture.is_active(&ann.session_id).await);
    assert_eq!(reason(list(&fixture, &ann).await), Reason::Unauthenticated);
    // It expired; nobody ended it.
    assert!(ended_within(&fixture, Duration::from_mins(5)).await.is_empty());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn services_check_many_sessions_at_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let live = fixture.newcomer("ann").await.session_id;
    let gone = fixture.login("ann").await;
    logout(&fixture, &gone).await.expect("ended");
    let unknown = Uuid::now_v7().to_string();
    let asked = vec![live.clone(), gone.session_id.clone(), unknown.clone(), "nonsense".to_owned()];
    let check = async |session_ids| {
        let request = fixture.as_service(CheckSessionsRequest { session_ids });
        fixture.app.sessions.check_sessions(request).await.map(Response::into_inner)
    };
    let answer = check(asked).await.expect("answered");
    assert_eq!(answer.ended_session_ids, [gone.session_id, unknown, "nonsense".to_owned()]);
    assert!(check(vec![live.clone(); 1000]).await.is_ok());
    assert_eq!(reason(check(vec![live; 1001]).await), Reason::Invalid);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn ended_sessions_are_listed_for_the_window_that_is_asked(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let first = fixture.newcomer("ann").await;
    logout(&fixture, &first).await.expect("ended");
    fixture.advance(Duration::from_secs(10)).await;
    let second = fixture.login("ann").await;
    logout(&fixture, &second).await.expect("ended");
    assert_eq!(ended_within(&fixture, Duration::from_secs(5)).await, [second.session_id.as_str()]);
    let both = [second.session_id.as_str(), first.session_id.as_str()];
    assert_eq!(ended_within(&fixture, Duration::from_mins(1)).await, both);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_session_is_seen_at_most_once_a_minute(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let seen = async || list(&fixture, &ann).await.expect("listed")[0].last_seen_at.clone();
    let at_login = seen().await;
    fixture.advance(Duration::from_secs(30)).await;
    fixture.is_active(&ann.session_id).await;
    fixture.app.last_seen.flush(&fixture.app.store).await;
    assert_eq!(seen().await, at_login);
    fixture.advance(Duration::from_secs(31)).await;
    for _ in 0..3 {
        fixture.is_active(&ann.session_id).await;
    }
    fixture.app.last_seen.flush(&fixture.app.store).await;
    assert!(seen().await > at_login);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn internal_methods_want_the_service_token(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let message = AuthenticateRequest { session_id: ann.session_id.clone() };
    let sessions = &fixture.app.sessions;
    assert_eq!(reason(sessions.authenticate(Request::new(message.clone())).await), Reason::Unauthenticated);
    // A person's token opens nothing here.
    let as_ann = as_person(message.clone(), &ann);
    assert_eq!(reason(sessions.authenticate(as_ann).await), Reason::Unauthenticated);
    assert!(sessions.authenticate(fixture.as_service(message)).await.is_ok());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_has_expired_is_swept_and_nothing_else(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let old = fixture.newcomer("ann").await;
    let ended = fixture.login("ann").await;
    logout(&fixture, &ended).await.expect("ended");
    fixture.try_login("nobody", "wrong horse", "").await.expect_err("refused");
    // Ten minutes on, only the one counted failure is forgiven.
    fixture.advance(Duration::from_mins(10)).await;
    assert_eq!(sweep(&fixture.app.store).await.expect("swept").rows, 1);
    fixture.advance(Duration::from_mins(MONTH - 20)).await;
    let young = fixture.login("ann").await;
    assert_eq!(sweep(&fixture.app.store).await.expect("swept").rows, 1, "the ended session's memory");
    fixture.advance(Duration::from_mins(20)).await;
    assert_eq!(sweep(&fixture.app.store).await.expect("swept").rows, 1, "the old session");
    assert!(!fixture.is_active(&old.session_id).await && fixture.is_active(&young.session_id).await);
}
