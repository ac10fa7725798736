//! The participant side of the saga as calendar-service calls it.

use std::sync::Arc;

use chassis::{
    failpoint::{self, Action},
    fault::Reason,
};
use proto::auth::v1::{
    ConfirmParticipantsRequest, ReleaseParticipantsRequest, ReserveParticipantsRequest,
    SetParticipantsRequest, participant_service_server::ParticipantService as _,
};
use sqlx::PgPool;
use tonic::{Request, Status};
use uuid::Uuid;

use super::fixture::{Fixture, fault, reason};
use crate::participation::Saga;

fn saga() -> Saga {
    Saga { saga_id: Uuid::now_v7(), event_id: Uuid::now_v7() }
}

async fn reserve(fixture: &Fixture, saga: Saga, accounts: &[String]) -> Result<(), Status> {
    let request = fixture.as_service(ReserveParticipantsRequest {
        saga_id: saga.saga_id.to_string(),
        event_id: saga.event_id.to_string(),
        account_ids: accounts.to_vec(),
    });
    fixture.app.participants.reserve_participants(request).await.map(drop)
}

async fn confirm(fixture: &Fixture, saga: Saga) -> Result<(), Status> {
    let (saga_id, event_id) = (saga.saga_id.to_string(), saga.event_id.to_string());
    let request = fixture.as_service(ConfirmParticipantsRequest { saga_id, event_id });
    fixture.app.participants.confirm_participants(request).await.map(drop)
}

async fn release(fixture: &Fixture, saga: Saga) -> Result<(), Status> {
    let (saga_id, event_id) = (saga.saga_id.to_string(), saga.event_id.to_string());
    let request = fixture.as_service(ReleaseParticipantsRequest { saga_id, event_id });
    fixture.app.participants.release_participants(request).await.map(drop)
}

async fn set(fixture: &Fixture, event_id: Uuid, revision: i64, accounts: &[String]) -> Result<(), Status> {
    let (event_id, account_ids) = (event_id.to_string(), accounts.to_vec());
    let request = fixture.as_service(SetParticipantsRequest { event_id, revision, account_ids });
    fixture.app.participants.set_participants(request).await.map(drop)
}

/// The event's records as `state:account`.
async fn records(fixture: &Fixture, event_id: Uuid) -> Vec<String> {
    sqlx::query_scalar!(
        r#"select state || ':' || account_id as "record!" from participants where event_id = $1
           order by account_id"#,
        event_id
    )
    .fetch_all(&fixture.pool)
    .await
    .expect("listed")
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn forward_and_repeated_at_every_step(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.register("ann").await.to_string();
    let bob = fixture.register("bob").await.to_string();
    let saga = saga();
    for _ in 0..3 {
        // Named twice, recorded once.
        reserve(&fixture, saga, &[bob.clone(), ann.clone(), ann.clone()]).await.expect("reserved");
        let expected = [format!("reserved:{ann}"), format!("reserved:{bob}")];
        assert_eq!(records(&fixture, saga.event_id).await, expected);
    }
    for _ in 0..3 {
        confirm(&fixture, saga).await.expect("confirmed");
        let expected = [format!("confirmed:{ann}"), format!("confirmed:{bob}")];
        assert_eq!(records(&fixture, saga.event_id).await, expected);
    }
    reserve(&fixture, saga, &[ann, bob]).await.expect("a late repeat changes nothing");
    assert_eq!(reason(release(&fixture, saga).await), Reason::Forbidden);
    assert_eq!(records(&fixture, saga.event_id).await.len(), 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_release_is_final_also_before_its_reserve(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = [fixture.register("ann").await.to_string()];
    let (undone, early) = (saga(), saga());
    reserve(&fixture, undone, &ann).await.expect("reserved");
    for saga in [undone, early] {
        release(&fixture, saga).await.expect("released");
        release(&fixture, saga).await.expect("released");
        assert_eq!(reason(reserve(&fixture, saga, &ann).await), Reason::SagaReleased);
        assert_eq!(reason(confirm(&fixture, saga).await), Reason::SagaReleased);
        assert!(records(&fixture, saga.event_id).await.is_empty());
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn accounts_that_are_gone_are_named(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.register("ann").await.to_string();
    let gone = Uuid::now_v7().to_string();
    let saga = saga();
    let refused = fault(reserve(&fixture, saga, &[ann.clone(), gone.clone()]).await);
    assert_eq!((refused.reason, refused.names), (Reason::ParticipantUnknown, vec![gone]));
    assert!(records(&fixture, saga.event_id).await.is_empty());
    // Refused is not remembered: the saga may still be undone, or tried again.
    reserve(&fixture, saga, &[ann]).await.expect("reserved");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_greatest_revision_wins_in_any_order(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.register("ann").await.to_string();
    let bob = fixture.register("bob").await.to_string();
    let saga = saga();
    let event_id = saga.event_id;
    reserve(&fixture, saga, std::slice::from_ref(&ann)).await.expect("reserved");
    // The change overtakes the confirm.
    set(&fixture, event_id, 2, std::slice::from_ref(&bob)).await.expect("set");
    confirm(&fixture, saga).await.expect("confirmed");
    assert_eq!(records(&fixture, event_id).await, [format!("confirmed:{bob}")]);
    set(&fixture, event_id, 1, std::slice::from_ref(&ann)).await.expect("ignored");
    set(&fixture, event_id, 2, std::slice::from_ref(&ann)).await.expect("ignored");
    assert_eq!(records(&fixture, event_id).await, [format!("confirmed:{bob}")]);
    // The event's end is remembered.
    set(&fixture, event_id, 5, &[]).await.expect("gone");
    set(&fixture, event_id, 4, &[ann]).await.expect("ignored");
    assert!(records(&fixture, event_id).await.is_empty());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn bad_requests_name_their_field_and_strangers_are_refused(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let many: Vec<_> = (0..202).map(|_| Uuid::now_v7().to_string()).collect();
    for accounts in [&[][..], &many, &["nobody".to_owned()]] {
        let refused = fault(reserve(&fixture, saga(), accounts).await);
        assert_eq!((refused.reason, refused.fields[0].field.as_str()), (Reason::Invalid, "account_ids"));
    }
    let message = ConfirmParticipantsRequest { saga_id: "x".to_owned(), event_id: String::new() };
    let service = &fixture.app.participants;
    let refused = fault(service.confirm_participants(fixture.as_service(message.clone())).await);
    assert_eq!(refused.fields[0].field, "saga_id");
    let stranger = service.confirm_participants(Request::new(message)).await;
    assert_eq!(reason(stranger), Reason::Unauthenticated);
}

/// A reserve and its release at the same time, many times over: whatever comes
/// first, nothing is left.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_release_beside_its_reserve_leaves_nothing(pool: PgPool) {
    let fixture = Arc::new(Fixture::new(pool).await);
    let accounts = [fixture.register("ann").await, fixture.register("bob").await];
    for _ in 0..40 {
        let saga = saga();
        let (one, other) = (Arc::clone(&fixture), Arc::clone(&fixture));
        let reserving =
            tokio::spawn(async move { one.app.participants.participation.reserve(saga, &accounts).await });
        let releasing = tokio::spawn(async move { other.app.participants.participation.release(saga).await });
        releasing.await.expect("no panic").expect("released");
        if let Err(fault) = reserving.await.expect("no panic") {
            assert_eq!(fault.reason, Reason::SagaReleased);
        }
        assert!(records(&fixture, saga.event_id).await.is_empty());
    }
}

/// Twenty revisions at the same time, and the confirm among them: no deadlock,
/// and exactly what the greatest one says.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn revisions_side_by_side_end_with_the_greatest(pool: PgPool) {
    let fixture = Arc::new(Fixture::new(pool).await);
    let mut accounts = Vec::new();
    for n in 0..6 {
        accounts.push(fixture.register(&format!("user{n}")).await);
    }
    for _ in 0..5 {
        let saga = saga();
        fixture.app.participants.participation.reserve(saga, &accounts).await.expect("reserved");
        let work = (1..=20_usize).map(|revision| {
            let fixture = Arc::clone(&fixture);
            let chosen: Vec<_> = (0..=revision % 5).map(|n| accounts[(n + revision) % 6]).collect();
            tokio::spawn(async move {
                let participation = &fixture.app.participants.participation;
                if revision == 10 {
                    participation.confirm(saga).await.expect("confirmed");
                }
                participation.set(saga.event_id, revision as i64, &chosen).await.expect("set");
            })
        });
        for one in work.collect::<Vec<_>>() {
            one.await.expect("no panic");
        }
        // Revision 20 chose one account: the one in place 20 mod 6.
        assert_eq!(records(&fixture, saga.event_id).await, [format!("confirmed:{}", accounts[2])]);
    }
}

/// A refusal before the write changes nothing; one after it, everything: the
/// caller cannot tell, and a repeat is right either way.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn every_step_has_a_failpoint_on_both_sides_of_its_write(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.register("ann").await.to_string();
    let done = [format!("confirmed:{ann}")];
    let accounts = std::slice::from_ref(&ann);
    let (saga, undone) = (saga(), saga());
    let refuse = |name| failpoint::set(name, Action::Refuse, Some(1));

    refuse("auth.reserve.before");
    assert_eq!(reason(reserve(&fixture, saga, accounts).await), Reason::Unavailable);
    assert!(records(&fixture, saga.event_id).await.is_empty());
    refuse("auth.reserve.after");
    assert_eq!(reason(reserve(&fixture, saga, accounts).await), Reason::Unavailable);
    assert_eq!(records(&fixture, saga.event_id).await, [format!("reserved:{ann}")]);
    refuse("auth.confirm.before");
    assert_eq!(reason(confirm(&fixture, saga).await), Reason::Unavailable);
    assert_eq!(records(&fixture, saga.event_id).await, [format!("reserved:{ann}")]);
    refuse("auth.confirm.after");
    assert_eq!(reason(confirm(&fixture, saga).await), Reason::Unavailable);
    assert_eq!(records(&fixture, saga.event_id).await, done);
    refuse("auth.set.before");
    assert_eq!(reason(set(&fixture, saga.event_id, 2, &[]).await), Reason::Unavailable);
    assert_eq!(records(&fixture, saga.event_id).await, done);
    refuse("auth.set.after");
    assert_eq!(reason(set(&fixture, saga.event_id, 2, &[]).await), Reason::Unavailable);
    assert!(records(&fixture, saga.event_id).await.is_empty());

    reserve(&fixture, undone, accounts).await.expect("reserved");
    refuse("auth.release.before");
    assert_eq!(reason(release(&fixture, undone).await), Reason::Unavailable);
    assert_eq!(records(&fixture, undone.event_id).await.len(), 1);
    refuse("auth.release.after");
    assert_eq!(reason(release(&fixture, undone).await), Reason::Unavailable);
    assert!(records(&fixture, undone.event_id).await.is_empty());
}
