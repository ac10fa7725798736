//! WebSocket tickets.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::fault::Reason;
use proto::auth::v1::{
    IssueTicketRequest, LoginResponse, LogoutRequest, RedeemTicketRequest, RedeemTicketResponse,
    auth_service_server::AuthService as _, session_service_server::SessionService as _,
};
use sqlx::PgPool;
use tonic::{Response, Status};

use super::fixture::{Fixture, as_person, reason};

async fn issue(fixture: &Fixture, caller: &LoginResponse) -> Result<String, Status> {
    let answer = fixture.app.accounts.issue_ticket(as_person(IssueTicketRequest {}, caller)).await;
    answer.map(|issued| {
        let issued = issued.into_inner();
        assert_eq!(issued.expires_in, 30);
        issued.ticket
    })
}

async fn redeem(fixture: &Fixture, ticket: &str) -> Result<RedeemTicketResponse, Status> {
    let request = fixture.as_service(RedeemTicketRequest { ticket: ticket.to_owned() });
    fixture.app.sessions.redeem_ticket(request).await.map(Response::into_inner)
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_ticket_is_a_token_for_its_session_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("Ann").await;
    let ticket = issue(&fixture, &ann).await.expect("issued");
    // 256 bits, in base64.
    assert_eq!(ticket.len(), 43);
    let redeemed = redeem(&fixture, &ticket).await.expect("redeemed");
    assert_eq!((redeemed.username.as_str(), &redeemed.session_id), ("Ann", &ann.session_id));
    let identity = fixture.app.verifier.verify(&redeemed.token).await.expect("a good token");
    assert_eq!(identity.session_id.to_string(), ann.session_id);
    assert_eq!(identity.expires_at.to_string(), ann.expires_at, "as long as the session, no longer");
    assert_eq!(reason(redeem(&fixture, &ticket).await), Reason::Unauthenticated);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn of_fifty_who_redeem_a_ticket_one_succeeds(pool: PgPool) {
    let fixture = Arc::new(Fixture::new(pool).await);
    let ann = fixture.newcomer("ann").await;
    let ticket = issue(&fixture, &ann).await.expect("issued");
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (fixture, ticket) = (Arc::clone(&fixture), ticket.clone());
            tokio::spawn(async move { fixture.app.sessions.tickets.redeem(&ticket).await.map(drop) })
        })
        .collect();
    let mut redeemed = 0;
    for one in tries {
        match one.await.expect("no panic") {
            Ok(()) => redeemed += 1,
            Err(fault) => assert_eq!(fault.reason, Reason::Unauthenticated),
        }
    }
    assert_eq!(redeemed, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_ticket_dies_with_its_thirty_seconds_and_with_its_session(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let (late, in_time) =
        (issue(&fixture, &ann).await.expect("issued"), issue(&fixture, &ann).await.expect("issued"));
    fixture.advance(Duration::from_secs(28)).await;
    redeem(&fixture, &in_time).await.expect("in time");
    fixture.advance(Duration::from_secs(2)).await;
    assert_eq!(reason(redeem(&fixture, &late).await), Reason::Unauthenticated);

    let orphan = issue(&fixture, &ann).await.expect("issued");
    fixture.app.accounts.logout(as_person(LogoutRequest {}, &ann)).await.expect("ended");
    assert_eq!(reason(redeem(&fixture, &orphan).await), Reason::Unauthenticated);
    assert_eq!(reason(issue(&fixture, &ann).await), Reason::Unauthenticated);
    for nonsense in ["", "x", &"x".repeat(5000), "\0"] {
        assert_eq!(reason(redeem(&fixture, nonsense).await), Reason::Unauthenticated);
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_database_does_not_know_the_ticket(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let ticket = issue(&fixture, &ann).await.expect("issued");
    let kept = sqlx::query_scalar!("select ticket_hash from tickets").fetch_all(&fixture.pool).await;
    let kept = kept.expect("listed");
    assert_eq!(kept.len(), 1);
    let bytes = URL_SAFE_NO_PAD.decode(&ticket).expect("base64");
    assert!(kept[0] != bytes && kept[0] != ticket.as_bytes());
}
