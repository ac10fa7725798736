//! What is bounded: gaps, memory, slow readers.

use sqlx::PgPool;
use tokio::{io::AsyncWriteExt as _, net::TcpSocket};

use super::{client::Client, program::Program, source::Source, stream::text, wait::until};

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn a_million_events_wait_for_one_within_bounded_memory(pool: PgPool) {
    let mut program = Program::new(&pool).with("RELAY_ON_CLOSE", "reset");
    program.start().await;
    let mut source = Source::connect(program.sources).await;
    let text = text(2..=1_000_001, |seq| format!("{seq}|P|100000|100001\n"));
    source.send(text.as_bytes()).await;
    program.reaches("relay_gap_events", "", 1_000_000.0).await;
    source.send(b"1|B\n").await;
    program.reaches("activity_events_total", "", 1_000_001.0).await;
    program.reaches("relay_skipped_total", "", 0.0).await;
    assert!(program.peak_memory() < 256 << 20, "{} bytes", program.peak_memory());
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn a_gap_past_its_window_or_its_time_is_skipped_and_counted(pool: PgPool) {
    for (variable, value) in [("RELAY_GAP_WINDOW", "3"), ("RELAY_GAP_TIMEOUT", "50 ms")] {
        let mut program = Program::new(&pool).with("RELAY_ON_CLOSE", "reset").with(variable, value);
        program.start().await;
        let client = Client::connect(program.clients, 1).await;
        program.reaches("relay_clients", "", 1.0).await;
        let mut source = Source::connect(program.sources).await;
        source.send(b"1|B\n4|B\n5|B\n7|B\n6|B\n").await;
        until("what comes after the gap", async || (client.length() == 20).then_some(())).await;
        source.send(b"3|B\n8|B\n").await;
        until("the next", async || (client.length() == 24).then_some(())).await;
        assert_eq!(client.told(), b"1|B\n4|B\n5|B\n6|B\n7|B\n8|B\n", "{variable}");
        program.reaches("relay_skipped_total", "", 2.0).await;
        program.reaches("relay_duplicates_total", "", 1.0).await;
        assert!(program.log().contains("events are missing and were given up"));
    }
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn a_client_that_does_not_read_is_dropped_and_nobody_waits_for_it(pool: PgPool) {
    let mut program =
        Program::new(&pool).with("RELAY_ON_CLOSE", "reset").with("RELAY_CLIENT_BUFFER_KIB", "64");
    program.start().await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a smaller buffer");
    let mut slow = socket.connect(program.clients).await.expect("connected");
    slow.write_all(b"1\n").await.expect("written");
    let reader = Client::connect(program.clients, 2).await;
    program.reaches("relay_clients", "", 2.0).await;
    let mut source = Source::connect(program.sources).await;
    let text = text(1..=250_000, |seq| format!("{seq}|P|18446744073709551615|1\r\n")) + "250001|B\n";
    source.send(text.as_bytes()).await;
    until("the broadcast", async || (reader.told() == b"250001|B\n").then_some(())).await;
    program.reaches("relay_clients_dropped_total", "slow", 1.0).await;
    program.reaches("relay_clients", "", 1.0).await;
    assert!(program.peak_memory() < 256 << 20, "{} bytes", program.peak_memory());
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn a_reset_by_hand_reaches_the_processor_that_leads(pool: PgPool) {
    let mut program = Program::new(&pool).with("RELAY_ON_CLOSE", "continue");
    program.start().await;
    let client = Client::connect(program.clients, 1).await;
    program.reaches("relay_clients", "", 1.0).await;
    let mut source = Source::connect(program.sources).await;
    source.send(b"1|B\n2|F|1|9\n").await;
    program.reaches("activity_events_total", "", 2.0).await;
    program.reset().await;
    program.reaches("relay_resets_total", "hand", 1.0).await;
    source.send(b"1|B\n2|S|9\n3|B\n").await;
    until("the new stream", async || (client.length() >= 12).then_some(())).await;
    assert_eq!(client.told(), b"1|B\n1|B\n3|B\n");

    // And what was kept is what the next process goes on from.
    program.terminate().await;
    program.start().await;
    let client = Client::connect(program.clients, 1).await;
    program.reaches("relay_clients", "", 1.0).await;
    Source::connect(program.sources).await.send(b"3|B\n4|B\n").await;
    until("the stream to go on", async || (client.length() >= 4).then_some(())).await;
    assert_eq!(client.told(), b"4|B\n");
}
