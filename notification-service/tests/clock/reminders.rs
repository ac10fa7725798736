//! Reminders of events, and those that somebody scheduled.

use std::time::Duration;

use chassis::{fault::Reason, idempotency::IdempotencyKey};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use notification_service::{
    MIGRATOR,
    reminder::{EventReminders, ReminderWish, ScheduledReminder, schedule, set_event_reminders},
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code, eventually};

/// The database's clock, in whole seconds, and so many minutes.
async fn start_in(world: &World, minutes: i64) -> String {
    let now = world.count("select extract(epoch from app_now())::bigint").await;
    (Timestamp::from_second(now).unwrap() + SignedDuration::from_mins(minutes)).to_string()
}

async fn set(world: &World, event_id: Uuid, revision: i64, starts_at: &str, minutes: &[u32]) {
    let event =
        EventReminders { event_id, revision, starts_at: starts_at.to_owned(), minutes: minutes.to_vec() };
    set_event_reminders(&world.service, &event).await.unwrap();
}

async fn delivered(world: &World, count: usize) -> Vec<(u32, String, bool)> {
    eventually("reminders", async || world.calendar.book().event_reminders.len() >= count).await;
    world.until_nothing_is_due().await;
    let book = world.calendar.book();
    book.event_reminders.iter().map(|sent| (sent.minutes_before, sent.starts_at.clone(), sent.late)).collect()
}

impl World {
    /// Waits until what is due has been delivered.
    async fn until_nothing_is_due(&self) {
        eventually("nothing is due", async || {
            let due = "select count(*) from due_work where state = 'open' and due_at <= app_now()";
            self.count(due).await == 0
        })
        .await;
    }

    async fn planned(&self) -> i64 {
        self.count("select count(*) from due_work where state = 'open'").await
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn they_come_in_time_and_what_has_passed_when_first_heard_never_does(pool: PgPool) {
    let world = World::new(pool).await;
    let (engine, event) = (world.start(), Uuid::now_v7());
    let start = start_in(&world, 30).await;
    set(&world, event, 1, &start, &[60, 10, 10, 0, 30_000_000]).await;
    assert_eq!(world.planned().await, 2);
    world.advance(Duration::from_secs(20 * 60 - 2)).await;
    assert_eq!(delivered(&world, 1).await, [(10, start.clone(), false)]);
    world.advance(Duration::from_mins(10)).await;
    assert_eq!(delivered(&world, 2).await, [(10, start.clone(), false), (0, start.clone(), false)]);
    // What was delivered is not delivered again by a later revision.
    set(&world, event, 2, &start, &[60, 10, 0]).await;
    assert_eq!(world.planned().await, 0);
    engine.stop().await;
    let ids: Vec<_> = world.calendar.book().event_reminders.iter().map(|sent| sent.id.clone()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.parse::<Uuid>().is_ok()));
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn only_a_greater_revision_counts_and_a_moved_event_is_armed_anew(pool: PgPool) {
    let world = World::new(pool).await;
    let event = Uuid::now_v7();
    let (early, later) = (start_in(&world, 30).await, start_in(&world, 90).await);
    set(&world, event, 5, &early, &[10]).await;
    for stale in [4, 5] {
        set(&world, event, stale, &later, &[20]).await;
    }
    let engine = world.start();
    world.advance(Duration::from_mins(21)).await;
    assert_eq!(delivered(&world, 1).await, [(10, early.clone(), true)], "a minute late: time jumped");
    set(&world, event, 6, &later, &[10, 5]).await;
    assert_eq!(world.planned().await, 2);
    // Unchanged ones stay what they are, ids and all.
    let ids = "select sum(hashtext(work_id::text))::bigint from due_work where state = 'open'";
    let before = world.count(ids).await;
    set(&world, event, 7, &later, &[5, 10]).await;
    assert_eq!(world.count(ids).await, before);
    set(&world, event, 8, &later, &[5]).await;
    assert_eq!(world.planned().await, 1);
    set(&world, event, 9, "", &[]).await;
    assert_eq!(world.planned().await, 0, "the event is gone");
    set(&world, event, 8, &later, &[5]).await;
    assert_eq!(world.planned().await, 0, "a late message does not bring it back");
    engine.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn after_any_time_down_each_comes_once_and_is_marked_late(pool: PgPool) {
    let world = World::new(pool).await;
    for minutes in [1, 5, 65] {
        let (event, before) = (Uuid::now_v7(), world.calendar.book().event_reminders.len());
        let start = start_in(&world, 2).await;
        set(&world, event, 1, &start, &[0]).await;
        world.advance(Duration::from_mins(2 + minutes)).await;
        let engine = world.start();
        let sent = delivered(&world, before + 1).await;
        assert_eq!(sent[before..], [(0, start, true)], "down for {minutes} minutes");
        engine.stop().await;
    }
    assert_eq!(world.calendar.book().event_reminders.len(), 3);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn calendar_service_is_asked_until_it_is_back_and_a_no_is_a_no(pool: PgPool) {
    let world = World::new(pool).await;
    world.calendar.book().refusal = Some(Reason::Unavailable);
    let start = start_in(&world, 1).await;
    set(&world, Uuid::now_v7(), 1, &start, &[0]).await;
    let engine = world.start();
    world.advance(Duration::from_secs(61)).await;
    eventually("several tries", async || world.calendar.book().calls >= 3).await;
    world.calendar.book().refusal = None;
    world.until_over().await;
    assert_eq!(world.calendar.book().event_reminders.len(), 1);

    world.calendar.book().refusal = Some(Reason::Invalid);
    set(&world, Uuid::now_v7(), 1, &start_in(&world, 1).await, &[0]).await;
    world.advance(Duration::from_secs(61)).await;
    eventually("it is given up", async || {
        world.count("select count(*) from due_work where state = 'failed' and attempts = 1").await == 1
    })
    .await;
    engine.stop().await;
}

fn wish() -> ReminderWish {
    ReminderWish {
        name: "Tea".to_owned(),
        time: "2099-11-29 17:30".to_owned(),
        time_zone: "America/Toronto".to_owned(),
        account_id: Uuid::now_v7(),
        ..ReminderWish::default()
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_wish_is_refused_in_the_sources_words_and_order(pool: PgPool) {
    let world = World::new(pool).await;
    let (time, time_zone) = (String::new(), String::new());
    let nothing = ReminderWish { name: "  ".to_owned(), time, time_zone, ..wish() };
    let named = ReminderWish { name: "Tea".to_owned(), ..nothing.clone() };
    let mars = ReminderWish { time_zone: "Mars/Olympus".to_owned(), ..named.clone() };
    let timeless = ReminderWish { time_zone: "Europe/Berlin".to_owned(), ..named.clone() };
    let odd = ReminderWish { time: "tomorrow".to_owned(), ..timeless.clone() };
    let past = ReminderWish { time: "2020-11-29 17:30".to_owned(), ..timeless.clone() };
    for (wish, text) in [
        (&nothing, "'eventName' is required"),
        (&named, "'timeZone' is required"),
        (&mars, "timeZone='Mars/Olympus' is invalid"),
        (&timeless, "'time' is required in format 'YYYY-MM-DD HH:mm'"),
        (&odd, "time='tomorrow' is invalid.'time' should be in format 'YYYY-MM-DD HH:mm' and valid"),
        (&past, "time='2020-11-29 17:30 should be in future"),
    ] {
        let refused = schedule(&world.service, wish).await.unwrap_err();
        assert_eq!((refused.reason, refused.detail.as_str()), (Reason::Invalid, text));
    }
    assert_eq!(world.planned().await, 0);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_scheduled_reminder_comes_once_as_it_was_promised(pool: PgPool) {
    let world = World::new(pool).await;
    let room = Uuid::now_v7();
    let wish = ReminderWish { calendar_id: Some(room), ..wish() };
    let scheduled = schedule(&world.service, &wish).await.unwrap().answer;
    assert_eq!((scheduled.name.as_str(), scheduled.time.as_str()), ("Tea", "2099-11-29T22:30:00.000Z"));
    let another = schedule(&world.service, &wish).await.unwrap().answer;
    assert_ne!(another.reminder_id, scheduled.reminder_id, "without a key it is another one");
    assert_eq!(world.planned().await, 2);

    let seconds = world
        .count("select extract(epoch from timestamptz '2099-11-29T22:30:00Z' - app_now())::bigint")
        .await;
    let engine = world.start();
    world.advance(Duration::from_secs(seconds as u64 - 5)).await;
    assert!(world.calendar.book().scheduled.is_empty());
    world.advance(Duration::from_secs(6)).await;
    world.until_over().await;
    engine.stop().await;
    let book = world.calendar.book();
    let sent = book.scheduled.iter().find(|sent| sent.id == scheduled.reminder_id.to_string()).unwrap();
    assert_eq!((book.scheduled.len(), sent.late), (2, false));
    assert_eq!((&sent.name, &sent.time), (&scheduled.name, &scheduled.time));
    assert_eq!((&sent.calendar_id, &sent.account_id), (&room.to_string(), &wish.account_id.to_string()));
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_key_stands_for_one_wish(pool: PgPool) {
    let world = World::new(pool).await;
    let keyed = |key: &str| ReminderWish { idempotency_key: IdempotencyKey::parse(key).ok(), ..wish() };
    let account_id = Uuid::now_v7();
    let tea = ReminderWish { account_id, ..keyed("k") };
    let asked = |wish: &ReminderWish| {
        let (service, wish) = (world.service.clone(), wish.clone());
        async move { schedule(&service, &wish).await }
    };
    let mut answers: Vec<ScheduledReminder> = Vec::new();
    // At once, some find the first one in flight; who comes again gets its answer.
    for answer in join_all((0..8).map(|_| asked(&tea))).await {
        match answer {
            Ok(answered) => answers.push(answered.answer),
            Err(fault) => assert_eq!(fault.reason, Reason::IdempotencyInFlight),
        }
    }
    let again = asked(&tea).await.unwrap();
    assert!(again.replayed && !answers.is_empty() && answers.iter().all(|answer| *answer == again.answer));
    assert_eq!(world.planned().await, 1);

    let room = Some(Uuid::now_v7());
    for other in [
        ReminderWish { name: "Coffee".to_owned(), ..tea.clone() },
        ReminderWish { time: "2099-11-29 17:31".to_owned(), ..tea.clone() },
        ReminderWish { time_zone: "Europe/Berlin".to_owned(), ..tea.clone() },
        ReminderWish { calendar_id: room, ..tea.clone() },
        // The key comes before what is wrong with the rest.
        ReminderWish { time: "tomorrow".to_owned(), ..tea.clone() },
    ] {
        assert_eq!(code(&asked(&other).await), "idempotency_mismatch", "{other:?}");
    }
    let refused = ReminderWish { time: "2020-11-29 17:30".to_owned(), account_id, ..keyed("late") };
    assert_eq!(code(&asked(&refused).await), "invalid");
    // What was refused is kept nowhere: the key may be used for what is right.
    let right = asked(&ReminderWish { account_id, ..keyed("late") }).await.unwrap();
    let others = asked(&keyed("k")).await.unwrap();
    assert!(!right.replayed && !others.replayed, "an account's keys are its own");
    assert_eq!(world.planned().await, 3);

    // Its time comes, and goes: the answer stays the answer for a day.
    let seconds =
        world.count("select extract(epoch from timestamptz '2100-01-01' - app_now())::bigint").await;
    sqlx::query("update idempotency set expires_at = expires_at + interval '100 years'")
        .execute(&world.pool)
        .await
        .unwrap();
    world.advance(Duration::from_secs(seconds as u64)).await;
    assert_eq!(asked(&tea).await.unwrap(), again);
    sqlx::query("update idempotency set expires_at = app_now()").execute(&world.pool).await.unwrap();
    assert_eq!(code(&asked(&tea).await), "invalid", "now it is a new wish, for a time that has passed");
}
