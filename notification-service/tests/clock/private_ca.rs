//! `WEBHOOK_CA_FILE`: receivers that no public authority vouches for.

use std::time::Duration;

use notification_service::{MIGRATOR, model::TimerState};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    authority::{Authority, HttpsReceiver},
    process::Process,
    world::{World, eventually},
};

/// Past the next attempt, whichever of the first ones it is.
const NEXT_ATTEMPT: Duration = Duration::from_mins(1);

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_receiver_of_a_private_authority_is_called_once_the_operator_trusts_it(pool: PgPool) {
    let world = World::new(pool).await;
    let (ours, others) = (Authority::new(), Authority::new());
    let receiver = HttpsReceiver::start(&ours).await;
    let ann = Uuid::now_v7();
    let id = world.timer_to(ann, 1, &receiver.url()).await.unwrap().timer_id;
    world.advance(Duration::from_secs(2)).await;

    // Nobody's certificate, then somebody else's: no request is made, and it comes again.
    let others = others.file().display().to_string();
    for (attempts, arguments) in [(1, vec![]), (2, vec!["--webhook-ca-file", others.as_str()])] {
        let process = Process::start(&world, &arguments).await;
        eventually("an attempt", async || world.see(ann, id).await.attempts == attempts).await;
        let seen = world.see(ann, id).await;
        assert_eq!((seen.state, seen.last_status), (TimerState::Delivering, 0));
        process.kill().await;
        world.advance(NEXT_ATTEMPT).await;
    }
    let failures: Vec<String> = sqlx::query_scalar("select failure from deliveries order by attempt")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(failures, ["no secure connection", "no secure connection"]);
    assert!(receiver.log().is_empty(), "something was sent to who is not trusted");

    let ours = ours.file().display().to_string();
    let process = Process::start(&world, &["--webhook-ca-file", &ours]).await;
    world.until_over().await;
    let seen = world.see(ann, id).await;
    assert_eq!((seen.state, seen.attempts, seen.last_status), (TimerState::Delivered, 3, 200));
    let got = receiver.log();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["webhook-id"], id.to_string().as_str());
    process.kill().await;
}
