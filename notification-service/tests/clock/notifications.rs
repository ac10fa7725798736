//! Notifications: whom they may reach, and that they reach them once.

use notification_service::{
    MIGRATOR,
    notify::{NewNotification, notify, notify_account},
    webhook_settings,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code};

fn saying(message: &str, id: Option<&str>) -> NewNotification {
    NewNotification { message: message.to_owned(), device_id: String::new(), id: id.map(str::to_owned) }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn it_goes_into_the_inbox_and_to_the_webhook_once(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let url = format!("{}?key=1", world.receiver.url());
    webhook_settings::set_url(&world.service, ann.account_id, &url).await.unwrap();
    let engine = world.start();
    let new = NewNotification { device_id: "watch".to_owned(), ..saying("Well done!", Some("n1")) };
    let id = notify(&world.service, &ann, "", new.clone()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(notify(&world.service, &ann, "", new.clone()).await.unwrap(), id, "a repeat");
    }
    world.until_over().await;
    {
        let book = world.calendar.book();
        assert_eq!(book.notifications.len(), 1);
        let sent = &book.notifications[0];
        assert_eq!((&sent.id, &sent.account_id), (&id.to_string(), &ann.account_id.to_string()));
        assert_eq!((sent.message.as_str(), sent.device_id.as_str()), ("Well done!", "watch"));
    }
    let got = world.receiver.log().remove(0);
    assert_eq!((world.receiver.count(), got.path.as_str()), (1, "/hook?key=1"));
    assert_eq!(got.header("webhook-id"), id.to_string());
    let body = got.json();
    assert_eq!(body["type"], "notification.created");
    assert_eq!(body["data"], json!({ "message": "Well done!", "deviceId": "watch" }));

    // Without a webhook: the inbox alone.
    webhook_settings::set_url(&world.service, ann.account_id, "").await.unwrap();
    notify_account(&world.service, ann.account_id, saying("Again!", Some("n2"))).await.unwrap();
    world.until_over().await;
    assert_eq!((world.calendar.book().notifications.len(), world.receiver.count()), (2, 1));
    engine.stop().await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn it_reaches_oneself_and_peers_and_nobody_else(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (World::person("Ann"), Uuid::now_v7());
    world.calendar.book().peers.insert("bob".to_owned(), bob);
    let engine = world.start();
    notify(&world.service, &ann, "ANN", saying("to myself", None)).await.unwrap();
    notify(&world.service, &ann, "bob", saying("to bob", Some("same"))).await.unwrap();
    // Two people's same id are two notifications.
    let carol = World::person("carol");
    notify(&world.service, &carol, "bob", saying("to bob, too", Some("same"))).await.unwrap();
    let stranger = notify(&world.service, &ann, "mallory", saying("hello", None)).await;
    assert_eq!(code(&stranger), "not_found");
    world.until_over().await;
    engine.stop().await;
    let book = world.calendar.book();
    let mut sent: Vec<_> =
        book.notifications.iter().map(|sent| (sent.message.as_str(), sent.account_id.clone())).collect();
    sent.sort();
    let (ann, bob) = (ann.account_id.to_string(), bob.to_string());
    assert_eq!(sent, [("to bob", bob.clone()), ("to bob, too", bob), ("to myself", ann)]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn bad_ones_are_refused_with_their_field(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let on_device = NewNotification { device_id: "watch".to_owned(), ..saying("x", None) };
    let cases = [
        (notify(&world.service, &ann, "", saying("x", None)).await, "invalid", "username"),
        (notify(&world.service, &ann, "ann", on_device).await, "invalid", "username"),
        (notify(&world.service, &ann, "ann", saying(" ", None)).await, "invalid", "message"),
        (notify(&world.service, &ann, "ann", saying("\u{7}", None)).await, "invalid", "message"),
        (notify(&world.service, &ann, "ann", saying(&"x".repeat(4001), None)).await, "too_long", "message"),
        (notify(&world.service, &ann, "ann", saying("x", Some(&"i".repeat(256)))).await, "invalid", "id"),
        (notify_account(&world.service, ann.account_id, saying("x", None)).await, "invalid", "id"),
    ];
    for (refused, reason, field) in cases {
        assert_eq!(code(&refused), reason);
        assert_eq!(refused.unwrap_err().fields[0].field, field);
    }
    let url = webhook_settings::set_url(&world.service, ann.account_id, "http://10.0.0.1/").await;
    assert_eq!(url.unwrap_err().fields[0].field, "url");
    assert_eq!(webhook_settings::url(&world.service, ann.account_id).await.unwrap(), "");
    assert_eq!(world.count("select count(*) from due_work").await, 0);
}
