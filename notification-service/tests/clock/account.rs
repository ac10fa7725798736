//! The end of an account, and what is swept.

use std::time::Duration;

use notification_service::{MIGRATOR, webhook_settings};
use proto::notification::v1::{RemoveAccountRequest, account_service_client::AccountServiceClient};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    process::Process,
    world::{World, eventually},
};

#[sqlx::test(migrator = "MIGRATOR")]
async fn everything_of_an_account_goes_with_it(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (Uuid::now_v7(), Uuid::now_v7());
    for account in [ann, bob] {
        webhook_settings::secret(&world.service, account).await.unwrap();
        webhook_settings::set_url(&world.service, account, &world.receiver.url()).await.unwrap();
        world.many(account, 1200, 0.0).await;
    }
    let engine = world.start();
    world.until_over().await;
    engine.stop().await;
    world.timer(ann, 3600).await;
    world.timer(bob, 3600).await;

    let process = Process::start(&world, &[]).await;
    let request = RemoveAccountRequest { account_id: ann.to_string() };
    let mut accounts = AccountServiceClient::new(process.channel.clone());
    assert!(accounts.remove_account(request.clone()).await.is_err(), "without the service token");
    for _ in 0..2 {
        accounts.remove_account(process.as_service(request.clone())).await.unwrap();
    }
    let left = world
        .count(
            "select (select count(*) from due_work) + (select count(*) from deliveries)
                     + (select count(*) from webhook_secrets) + (select count(*) from webhook_urls)",
        )
        .await;
    assert_eq!(left, 1201 + 1200 + 1 + 1, "bob's");
    drop(accounts);
    process.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_was_over_a_month_ago_is_forgotten(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = Uuid::now_v7();
    world.many(ann, 700, 0.0).await;
    let engine = world.start();
    world.until_over().await;
    engine.stop().await;
    let kept = world.timer(ann, 300_000_000).await.timer_id;
    world.advance(Duration::from_hours(24 * 31)).await;
    let process = Process::start(&world, &[]).await;
    eventually("they are swept", async || world.count("select count(*) from due_work").await == 1).await;
    assert_eq!(world.count("select count(*) from deliveries").await, 0);
    world.see(ann, kept).await;
    process.stop().await;
}
