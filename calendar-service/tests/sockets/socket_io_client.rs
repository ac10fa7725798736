//! A Socket.IO client (Engine.IO v4 over WebSocket), as little of one as the
//! tests need. The official ones are tried by the system tests.

use std::{collections::VecDeque, net::SocketAddr};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::client::SOON;

pub(crate) struct SocketIoClient {
    stream: WebSocketStream<TcpStream>,
    kept: VecDeque<(String, Value)>,
    acks: VecDeque<(u64, Value)>,
    next_ack: u64,
}

impl SocketIoClient {
    /// Connects to the namespace; the text of a `connect_error` otherwise.
    pub(crate) async fn connect(address: SocketAddr, auth: &Value) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.unwrap();
        let uri = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (stream, _) = client_async(uri, stream).await.unwrap();
        let mut client = Self { stream, kept: VecDeque::new(), acks: VecDeque::new(), next_ack: 1 };
        assert!(client.packet().await.unwrap().starts_with('0'), "the transport opens");
        client.send(format!("40{auth}")).await;
        let answer = client.packet().await.expect("an answer");
        if let Some(error) = answer.strip_prefix("44") {
            let error: Value = serde_json::from_str(error).unwrap();
            return Err(error["message"].as_str().unwrap().to_owned());
        }
        assert!(answer.starts_with("40"), "{answer}");
        Ok(client)
    }

    /// Emits an event and asks for a callback.
    pub(crate) async fn post(&mut self, event: &str, payload: &Value) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send(format!("42{id}{}", json!([event, payload]))).await;
        id
    }

    /// Emits an event without a callback.
    pub(crate) async fn emit(&mut self, event: &str, payload: &Value) {
        self.send(format!("42{}", json!([event, payload]))).await;
    }

    /// Emits an event and waits for its callback.
    pub(crate) async fn ask(&mut self, event: &str, payload: &Value) -> Value {
        let id = self.post(event, payload).await;
        self.ack(id).await
    }

    /// Waits for a callback.
    pub(crate) async fn ack(&mut self, id: u64) -> Value {
        loop {
            if let Some(at) = self.acks.iter().position(|(ack, _)| *ack == id) {
                return self.acks.remove(at).unwrap().1;
            }
            assert!(self.read().await, "disconnected; kept {:?}", self.kept);
        }
    }

    /// Waits for an event of this name.
    pub(crate) async fn until(&mut self, event: &str) -> Value {
        loop {
            if let Some(at) = self.kept.iter().position(|(name, _)| name == event) {
                return self.kept.remove(at).unwrap().1;
            }
            assert!(self.read().await, "disconnected; kept {:?}", self.kept);
        }
    }

    /// Reads until the server disconnects.
    pub(crate) async fn end(&mut self) {
        while self.read().await {}
    }

    /// Names of the events that are kept.
    pub(crate) fn kept(&self) -> Vec<&str> {
        self.kept.iter().map(|(name, _)| name.as_str()).collect()
    }

    async fn send(&mut self, packet: String) {
        self.stream.send(Message::text(packet)).await.unwrap();
    }

    /// Reads a packet of the namespace; false when there are no more.
    async fn read(&mut self) -> bool {
        let Some(packet) = self.packet().await else { return false };
        if let Some(event) = packet.strip_prefix("42") {
            let event: Vec<Value> = serde_json::from_str(event).unwrap();
            let [name, payload] = &event[..] else { panic!("one payload an event: {event:?}") };
            self.kept.push_back((name.as_str().unwrap().to_owned(), payload.clone()));
        } else if let Some(ack) = packet.strip_prefix("43") {
            let (id, payload) = ack.split_at(ack.find('[').unwrap());
            let payload: Vec<Value> = serde_json::from_str(payload).unwrap();
            self.acks.push_back((id.parse().unwrap(), payload[0].clone()));
        } else {
            assert_eq!(packet, "41");
            return false;
        }
        true
    }

    /// The next packet that is no ping.
    async fn packet(&mut self) -> Option<String> {
        loop {
            match timeout(SOON, self.stream.next()).await.expect("a packet, or the end") {
                Some(Ok(Message::Text(packet))) if packet.as_str() == "2" => self.send("3".to_owned()).await,
                Some(Ok(Message::Text(packet))) => return Some(packet.as_str().to_owned()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}
