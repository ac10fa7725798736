//! A WebSocket client that none of our own code reads or writes frames for.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

/// For anything that should happen.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: WebSocketStream<TcpStream>,
    /// Frames that were read while looking for another one.
    kept: VecDeque<Value>,
    next_id: u64,
}

impl Client {
    /// Connects with a token, or says with which status that was refused.
    pub(crate) async fn connect(
        address: SocketAddr,
        token: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(Self { stream, kept: VecDeque::new(), next_id: 1 }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    pub(crate) async fn say(&mut self, frame: &Value) {
        self.send(Message::text(frame.to_string())).await;
    }

    /// Sends a frame with an id, and waits for nothing.
    pub(crate) async fn post(&mut self, frame: &Value) -> u64 {
        let mut frame = frame.clone();
        let id = self.next_id;
        self.next_id += 1;
        frame["id"] = json!(id);
        self.say(&frame).await;
        id
    }

    /// Sends a frame and waits for its ack: what it says, or the code of the failure.
    pub(crate) async fn ask(&mut self, frame: &Value) -> Result<Value, String> {
        let id = self.post(frame).await;
        let ack = self.find(|frame| frame["type"] == "ack" && frame["id"] == id).await;
        if ack["ok"] == true { Ok(ack) } else { Err(ack["code"].as_str().unwrap().to_owned()) }
    }

    /// The next frame of this type; those before it are kept.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        self.find(|frame| frame["type"] == kind).await
    }

    /// The first frame that fits; those before it are kept.
    pub(crate) async fn find(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&fits) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let frame =
                self.read().await.unwrap_or_else(|end| panic!("closed with {end:?}; kept {:?}", self.kept));
            if fits(&frame) {
                return frame;
            }
            self.kept.push_back(frame);
        }
    }

    /// The next frame, kept or new.
    pub(crate) async fn next(&mut self) -> Value {
        match self.kept.pop_front() {
            Some(frame) => frame,
            None => self.read().await.unwrap(),
        }
    }

    /// Drops the frames that were kept.
    pub(crate) fn forget(&mut self) {
        self.kept.clear();
    }

    /// Frames of these types that were heard up to an answer to a frame sent now.
    pub(crate) async fn heard(&mut self, kinds: &[&str]) -> Vec<Value> {
        // Whatever its answer, it comes after everything that was on its way here.
        let _ = self.ask(&json!({ "type": "leave_calendar", "calendar_name": "no such calendar" })).await;
        let heard = self.kept.drain(..).filter(|frame| kinds.iter().any(|kind| frame["type"] == *kind));
        heard.collect()
    }

    /// Reads to the end, and answers its close code; 1006 without one.
    pub(crate) async fn end(&mut self) -> u16 {
        loop {
            match self.read().await {
                Ok(frame) => self.kept.push_back(frame),
                Err(code) => return code,
            }
        }
    }

    /// What of this type was read on the way to the end.
    pub(crate) fn heard_before_the_end(&self, kind: &str) -> Vec<Value> {
        self.kept.iter().filter(|frame| frame["type"] == kind).cloned().collect()
    }

    /// Waits for this pong; frames before it are lost.
    pub(crate) async fn until_pong(&mut self, payload: &[u8]) {
        loop {
            let message = timeout(SOON, self.stream.next()).await.unwrap().unwrap().unwrap();
            if matches!(&message, Message::Pong(pong) if **pong == *payload) {
                return;
            }
        }
    }

    /// The raw TCP stream, for who wants to misbehave.
    pub(crate) fn raw(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    async fn read(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(SOON, self.stream.next()).await.expect("a frame, or the end");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(close))) => return Err(close.map_or(1005, |close| close.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}
