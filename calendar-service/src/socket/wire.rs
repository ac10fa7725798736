//! Frames, encoded once for everybody.
//!
//! A room hands the same bytes to each of its sockets: a [`Block`] holds one or
//! more frames as they stand on a WebSocket (a server's frames are not masked,
//! so they are the same for all), and knows where each JSON text lies. Socket.IO
//! names events instead of typing frames; that form is made the first time
//! somebody needs it.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// Encoded frames that go out together. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Block(Arc<Encoded>);

/// Collects frames for a [`Block`].
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    wire: BytesMut,
    texts: Vec<Range<usize>>,
}

#[derive(Debug)]
struct Encoded {
    wire: Bytes,
    /// Where in `wire` each frame's JSON text lies.
    texts: Box<[Range<usize>]>,
    events: OnceLock<Vec<Event>>,
}

/// A frame as Socket.IO says it.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// The event's name: the frame's `type`, but for `created_event`.
    pub(super) name: String,
    /// The frame without its `type`.
    pub(super) payload: Value,
}

// === impl Block ===

impl Block {
    /// One frame.
    pub(super) fn of(frame: &impl Serialize) -> Self {
        let mut builder = BlockBuilder::default();
        builder.push(frame);
        builder.build()
    }

    /// The bytes for a WebSocket.
    pub(super) fn wire(&self) -> &Bytes {
        &self.0.wire
    }

    /// How many frames there are.
    pub(super) fn frames(&self) -> usize {
        self.0.texts.len()
    }

    /// The JSON text of each frame.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.texts.iter().map(|range| &self.0.wire[range.clone()])
    }

    /// The frames for Socket.IO.
    pub(super) fn events(&self) -> &[Event] {
        self.0.events.get_or_init(|| self.texts().filter_map(Event::of).collect())
    }
}

// === impl BlockBuilder ===

impl BlockBuilder {
    /// Adds a frame.
    pub(super) fn push(&mut self, frame: &impl Serialize) {
        // Our frames are structs with string keys: they always serialise. An
        // empty text would be dropped by `push_text`, never sent.
        self.push_text(&serde_json::to_vec(frame).unwrap_or_default());
    }

    /// Adds a frame whose JSON text is there already.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
        let mut out = (&mut self.wire).writer();
        header.format(text.len() as u64, &mut out).expect("a byte buffer takes every write");
        let start = self.wire.len();
        self.wire.put_slice(text);
        self.texts.push(start..self.wire.len());
    }

    /// How many frames there are.
    pub(super) const fn frames(&self) -> usize {
        self.texts.len()
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The block.
    pub(super) fn build(self) -> Block {
        Block(Arc::new(Encoded {
            wire: self.wire.freeze(),
            texts: self.texts.into_boxed_slice(),
            events: OnceLock::new(),
        }))
    }
}

// === impl Event ===

impl Event {
    fn of(text: &[u8]) -> Option<Self> {
        let mut payload: Value = serde_json::from_slice(text).ok()?;
        let Value::String(kind) = payload.as_object_mut()?.remove("type")? else { return None };
        // The source document's name for it; the one difference to `/ws`.
        let name = if kind == "event_created" { "created_event".to_owned() } else { kind };
        Some(Self { name, payload })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio_tungstenite::tungstenite::{
        Message,
        protocol::{Role, WebSocket},
    };

    use super::*;

    #[test]
    fn a_foreign_reader_finds_the_frames_that_were_pushed() {
        let long = "é".repeat(40_000);
        let mut builder = BlockBuilder::default();
        for text in ["a", "b", long.as_str()] {
            builder.push(&json!({"type": "message", "message": text}));
        }
        let block = builder.build();
        assert_eq!(block.frames(), 3);
        let stream = std::io::Cursor::new(block.wire().to_vec());
        let mut reader = WebSocket::from_raw_socket(stream, Role::Client, None);
        for text in block.texts() {
            let Ok(Message::Text(read)) = reader.read() else { panic!("not a text frame") };
            assert_eq!(read.as_bytes(), text);
        }
    }

    #[test]
    fn socket_io_names_the_event_and_drops_the_type() {
        let created = Block::of(&json!({"type": "event_created", "seq": 4}));
        assert_eq!(created.events(), [Event { name: "created_event".into(), payload: json!({"seq": 4}) }]);
        let message = Block::of(&json!({"type": "message", "message": "hi"}));
        assert_eq!(message.events()[0].name, "message");
    }
}
