//! Sockets over several instances of calendar-service.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    calendar::Calendar,
    stack::{Gateway, Stack, listener, until},
};

/// A gateway before so many instances, and what tells them apart.
async fn house(count: usize) -> (Stack, Vec<Calendar>, Gateway) {
    let stack = Stack::start().await;
    let (gateway, more) = stack.gateway_before(count - 1).await;
    let calendars = std::iter::once(stack.calendar.clone()).chain(more).collect();
    (stack, calendars, gateway)
}

fn seen(calendars: &[Calendar], path: &str) -> Vec<usize> {
    let count = |calendar: &Calendar| calendar.seen().iter().filter(|seen| seen.path.contains(path)).count();
    calendars.iter().map(count).collect()
}

#[tokio::test]
async fn polls_and_their_upgrade_meet_wherever_a_client_comes_from() {
    let (_stack, calendars, gateway) = house(3).await;
    let mut homes: BTreeMap<usize, usize> = BTreeMap::new();
    for client in 0..30 {
        let from = format!("203.0.113.{client}");
        let headers = [("X-Forwarded-For", from.as_str())];
        let path = format!("/socket.io/?EIO=4&client={client};");
        assert_eq!(gateway.client().get(&path, &headers).await.status, 200);
        let poll = format!("{path}&transport=polling&sid=s");
        for _ in 0..3 {
            assert_eq!(gateway.client().send("POST", &poll, &headers, "2").await.status, 200);
        }
        let upgrade = format!("{path}&transport=websocket&sid=s");
        assert_eq!(gateway.client().websocket(&upgrade, &headers).await.0.status, 101);
        let there = seen(&calendars, &format!("client={client};"));
        let home = there.iter().position(|count| *count > 0).expect("somewhere");
        assert_eq!(there[home], 5, "{there:?}");
        assert_eq!(there.iter().sum::<usize>(), 5, "{there:?}");
        *homes.entry(home).or_default() += 1;
    }
    assert_eq!(homes.len(), 3, "{homes:?}");
}

#[tokio::test]
async fn new_sockets_go_where_there_are_fewer() {
    let (stack, calendars, gateway) = house(3).await;
    let mut open = Vec::new();
    for n in 0..30 {
        let headers = [("Authorization", &*format!("Bearer {}", stack.auth.person().token))];
        let path = if n % 2 == 0 { "/ws" } else { "/socket.io/?EIO=4&transport=websocket" };
        let (answer, socket) = gateway.client().websocket(path, &headers).await;
        assert_eq!(answer.status, 101);
        open.push(socket);
    }
    let (ws, io) = (seen(&calendars, "/ws"), seen(&calendars, "transport=websocket"));
    let counts: Vec<_> = ws.iter().zip(&io).map(|(ws, io)| ws + io).collect();
    assert!(counts.iter().all(|count| (7..=13).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn a_drain_asks_every_instance_to_say_goodbye() {
    let (stack, calendars, gateway) = house(3).await;
    let headers = [("Authorization", &*format!("Bearer {}", stack.auth.person().token))];
    let (answer, _socket) = gateway.client().websocket("/ws", &headers).await;
    assert_eq!(answer.status, 101);
    gateway.lifecycle.drain();
    until("all are asked", async || seen(&calendars, "CloseTunnels").iter().all(|asked| *asked > 0)).await;
}

#[tokio::test]
async fn a_socket_goes_elsewhere_when_its_instance_has_just_gone() {
    let stack = Stack::start().await;
    // As one that was killed after it was asked: it is ready, and hangs up on everybody.
    let (gone, at) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = gone.accept().await {
            let mut start = [0; 11];
            if stream.read_exact(&mut start).await.is_ok() && &start == b"GET /readyz" {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    });
    let gateway = stack.gateway_with(&[], |config| {
        let well: Vec<_> =
            config.calendar_sockets.iter().map(|it| format!("{}:{}", it.host(), it.port())).collect();
        config.calendar_sockets = format!("http://{at},http://{}", well[0]).parse().expect("targets");
    });
    let gateway = gateway.await;
    let headers = [("Authorization", &*format!("Bearer {}", stack.auth.person().token))];
    let mut open = Vec::new();
    for path in ["/ws", "/socket.io/?EIO=4&transport=websocket"].into_iter().cycle().take(10) {
        let (answer, socket) = gateway.client().websocket(path, &headers).await;
        assert_eq!(answer.status, 101, "{path}");
        open.push(socket);
    }
    assert_eq!(stack.calendar.seen().len(), 10);
}
