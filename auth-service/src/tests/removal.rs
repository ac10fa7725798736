//! Removing an account, and what becomes of its traces.

use std::{sync::Arc, time::Duration};

use chassis::fault::Reason;
use proto::auth::v1::{DeleteAccountRequest, LoginResponse, auth_service_server::AuthService as _};
use sqlx::PgPool;
use tonic::Status;
use uuid::Uuid;

use super::{
    fixture::{Fixture, HOME, PASSWORD, as_person, reason},
    receiver::Receiver,
};
use crate::participation::Saga;

async fn remove(fixture: &Fixture, caller: &LoginResponse, password: &str) -> Result<Vec<String>, Status> {
    let message = DeleteAccountRequest { password: password.to_owned() };
    let answer = fixture.app.accounts.delete_account(as_person(message, caller)).await;
    answer.map(|ended| ended.into_inner().session_ids)
}

async fn records(fixture: &Fixture, event_id: Uuid) -> Vec<Uuid> {
    sqlx::query_scalar!("select account_id from participants where event_id = $1 order by 1", event_id)
        .fetch_all(&fixture.pool)
        .await
        .expect("listed")
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn it_ends_the_sessions_frees_the_name_and_leaves_a_message(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.newcomer("ann").await;
    let second = fixture.login("ann").await;
    let bob = fixture.newcomer("bob").await;
    assert_eq!(reason(remove(&fixture, &ann, "wrong horse").await), Reason::WrongPassword);
    assert_eq!(fixture.outbox_rows().await, 0);
    assert!(fixture.is_active(&ann.session_id).await);

    let mut ended = remove(&fixture, &ann, PASSWORD).await.expect("removed");
    ended.sort();
    assert_eq!(ended, [ann.session_id.as_str(), second.session_id.as_str()]);
    assert_eq!(fixture.outbox_rows().await, 1);
    assert!(!fixture.is_active(&second.session_id).await && fixture.is_active(&bob.session_id).await);
    assert_eq!(reason(fixture.try_login("ann", PASSWORD, HOME).await), Reason::InvalidCredentials);
    assert_eq!(reason(remove(&fixture, &ann, PASSWORD).await), Reason::Unauthenticated);
    // The name is free; the newcomer inherits nothing.
    let namesake = fixture.newcomer("Ann").await;
    assert!(fixture.is_active(&namesake.session_id).await);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn no_participant_record_is_left_or_made_later(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let ann = fixture.register("ann").await;
    let bob = fixture.register("bob").await;
    let participation = &fixture.app.participants.participation;
    let (reserved, confirmed) = (saga(), saga());
    participation.reserve(reserved, &[ann, bob]).await.expect("reserved");
    participation.reserve(confirmed, &[ann, bob]).await.expect("reserved");
    participation.confirm(confirmed).await.expect("confirmed");

    let login = fixture.login("ann").await;
    remove(&fixture, &login, PASSWORD).await.expect("removed");
    assert_eq!(records(&fixture, reserved.event_id).await, [bob]);
    assert_eq!(records(&fixture, confirmed.event_id).await, [bob]);

    // What is on its way: repeats, late confirms, a change that still names her.
    participation.reserve(reserved, &[ann, bob]).await.expect("a repeat is a repeat");
    participation.confirm(reserved).await.expect("confirmed");
    participation.set(confirmed.event_id, 2, &[ann, bob]).await.expect("set");
    let late = participation.reserve(saga(), &[ann, bob]).await.expect_err("she is gone");
    assert_eq!((late.reason, late.names), (Reason::ParticipantUnknown, vec![ann.to_string()]));
    assert_eq!(records(&fixture, reserved.event_id).await, [bob]);
    assert_eq!(records(&fixture, confirmed.event_id).await, [bob]);
}

/// Reserves, changes and the removal side by side: no deadlock, no orphan.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_removal_among_sagas_leaves_no_orphan(pool: PgPool) {
    let fixture = Arc::new(Fixture::new(pool).await);
    for round in 0..5 {
        let name = format!("ann{round}");
        let ann = fixture.register(&name).await;
        let bob = fixture.register(&format!("bob{round}")).await;
        let login = fixture.login(&name).await;
        let sagas: Vec<_> = (0..12).map(|_| saga()).collect();
        let work = sagas.iter().map(|saga| {
            let (fixture, saga) = (Arc::clone(&fixture), *saga);
            tokio::spawn(async move {
                let participation = &fixture.app.participants.participation;
                match participation.reserve(saga, &[bob, ann]).await {
                    Ok(()) => participation.confirm(saga).await.expect("confirmed"),
                    Err(fault) => assert_eq!(fault.reason, Reason::ParticipantUnknown),
                }
                participation.set(saga.event_id, 1, &[ann, bob]).await.expect("set");
            })
        });
        let work: Vec<_> = work.collect();
        fixture
            .app
            .accounts
            .removal
            .run(
                &fixture.app.verifier.verify(&login.token).await.expect("good"),
                &crate::model::Password::claimed(PASSWORD),
            )
            .await
            .expect("removed");
        for one in work {
            one.await.expect("no panic");
        }
        for saga in sagas {
            assert_eq!(records(&fixture, saga.event_id).await, [bob]);
        }
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn calendar_service_hears_of_it_even_when_it_was_down(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let calendar = Receiver::start(fixture.config.service_token.clone()).await;
    let fixture = fixture.restart(|config| config.calendar_url = calendar.url()).await;
    let outbox = &fixture.app.outbox;
    let ann = fixture.register("ann").await;
    let login = fixture.login("ann").await;
    calendar.refuse(2);
    remove(&fixture, &login, PASSWORD).await.expect("removed");
    assert_eq!(outbox.send_due().await, Ok(0), "refused");
    assert_eq!(outbox.send_due().await, Ok(0), "not due again yet");
    fixture.advance(Duration::from_mins(1)).await;
    assert_eq!(outbox.send_due().await, Ok(0), "refused again");
    fixture.advance(Duration::from_mins(1)).await;
    assert_eq!(outbox.send_due().await, Ok(1));
    assert_eq!(calendar.heard(), [("calendar".to_owned(), ann)]);
    assert_eq!(fixture.outbox_rows().await, 0);
}

/// Each receiver has a row of its own: one that is away stops none of the others.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn every_service_hears_of_it_whoever_is_away(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let token = &fixture.config.service_token;
    let away = Receiver::start(token.clone()).await;
    let (notification, activity) =
        (Receiver::start(token.clone()).await, Receiver::start(token.clone()).await);
    away.refuse(1);
    let restarted = fixture.restart(|config| {
        config.calendar_url = away.url();
        config.notification_url = Some(notification.url());
        config.activity_url = Some(activity.url());
    });
    let fixture = restarted.await;
    let ann = fixture.register("ann").await;
    let login = fixture.login("ann").await;
    remove(&fixture, &login, PASSWORD).await.expect("removed");
    assert_eq!(fixture.outbox_rows().await, 3);
    assert_eq!(fixture.app.outbox.send_due().await, Ok(2));
    assert_eq!(notification.heard(), [("notification".to_owned(), ann)]);
    assert_eq!(activity.heard(), [("activity".to_owned(), ann)]);
    assert!(away.heard().is_empty());
    fixture.advance(Duration::from_mins(1)).await;
    assert_eq!(fixture.app.outbox.send_due().await, Ok(1));
    assert_eq!(away.heard(), [("calendar".to_owned(), ann)]);
    assert_eq!(fixture.outbox_rows().await, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_message_waits_for_an_address_that_was_taken_away(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let receiver = Receiver::start(fixture.config.service_token.clone()).await;
    let url = receiver.url();
    let fixture = fixture.restart(|config| config.notification_url = Some(url.clone())).await;
    let bob = fixture.register("bob").await;
    let login = fixture.login("bob").await;
    remove(&fixture, &login, PASSWORD).await.expect("removed");
    let fixture = fixture.restart(|config| config.notification_url = None).await;
    assert_eq!(fixture.app.outbox.send_due().await, Ok(0), "nobody is told, nothing is lost");
    assert_eq!(fixture.outbox_rows().await, 2);
    let fixture = fixture.restart(|config| config.notification_url = Some(url)).await;
    fixture.advance(Duration::from_mins(1)).await;
    assert_eq!(fixture.app.outbox.send_due().await, Ok(1), "calendar-service is away still");
    assert_eq!(receiver.heard(), [("notification".to_owned(), bob)]);
}

fn saga() -> Saga {
    Saga { saga_id: Uuid::now_v7(), event_id: Uuid::now_v7() }
}
