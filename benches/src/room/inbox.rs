//! What one socket hears, checked.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Where a socket is in its room's log.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The newest change it knows; none until it has joined.
    last_seq: Option<u64>,
}

/// A frame that matters to the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The socket is in its room.
    Joined,
    /// A kept message, the next change after the last one.
    Message(u64),
    /// Whatever else.
    Other,
}

// === impl Inbox ===

impl Inbox {
    /// Takes a frame. A gap, a repetition, disorder, a refusal: each is an error.
    pub(super) fn take(&mut self, text: &[u8]) -> Result<Heard> {
        let whole = || String::from_utf8_lossy(text).into_owned();
        let (kind, rest) = split_type(text).with_context(whole)?;
        match kind {
            // Transient: no place in the log.
            b"connected" | b"presence" => Ok(Heard::Other),
            b"ack" => {
                ensure!(contains(rest, br#""ok":true"#), "refused: {}", whole());
                Ok(Heard::Other)
            }
            b"joined" => {
                let frame: Value = serde_json::from_slice(text)?;
                self.last_seq = Some(frame["last_seq"].as_u64().with_context(whole)?);
                Ok(Heard::Joined)
            }
            b"error" | b"resync" | b"going_away" => bail!("not what was asked for: {}", whole()),
            _ => {
                let seq = leading_seq(rest).with_context(whole)?;
                // What came before the join is told by its `last_seq`.
                let Some(last) = self.last_seq else { return Ok(Heard::Other) };
                ensure!(seq == last + 1, "change {seq} after {last}");
                self.last_seq = Some(seq);
                Ok(if kind == b"message" { Heard::Message(seq) } else { Heard::Other })
            }
        }
    }
}

/// `{"type":"T"` and what follows it.
fn split_type(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(br#"{"type":""#)?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}

/// The number in `,"seq":N`, which is what a room frame says next.
fn leading_seq(rest: &[u8]) -> Option<u64> {
    let digits = rest.strip_prefix(br#","seq":"#)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Inbox {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.take(br#"{"type":"member_joined","seq":3,"by":"a"}"#).expect("fine"), Heard::Other);
        let frame = br#"{"type":"joined","calendar_id":"x","members_online":[],"last_seq":7}"#;
        assert_eq!(inbox.take(frame).expect("fine"), Heard::Joined);
        inbox
    }

    #[test]
    fn what_follows_is_heard() {
        let mut inbox = joined();
        assert_eq!(inbox.take(br#"{"type":"presence","online":true}"#).expect("fine"), Heard::Other);
        assert_eq!(inbox.take(br#"{"type":"member_joined","seq":8,"by":"b"}"#).expect("fine"), Heard::Other);
        assert_eq!(inbox.take(br#"{"type":"message","seq":9,"by":"a"}"#).expect("fine"), Heard::Message(9));
        assert_eq!(inbox.take(br#"{"type":"ack","id":1,"ok":true}"#).expect("fine"), Heard::Other);
    }

    #[test]
    fn what_is_missing_doubled_or_refused_is_an_error() {
        let frame = |seq: u64| format!(r#"{{"type":"message","seq":{seq},"by":"a"}}"#);
        for wrong in [0, 6, 7, 9, 100] {
            assert!(joined().take(frame(wrong).as_bytes()).is_err(), "{wrong} after 7");
        }
        assert!(joined().take(br#"{"type":"ack","id":1,"ok":false,"code":"unavailable"}"#).is_err());
        assert!(joined().take(br#"{"type":"error","code":"rate_limited"}"#).is_err());
        assert!(joined().take(br#"{"type":"message"}"#).is_err());
    }
}
