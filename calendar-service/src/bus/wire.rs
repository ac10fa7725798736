//! A publication as it stands in Redis: who says it, which of theirs it is, and
//! what, as JSON. The first two can be read without the third, so an instance
//! drops its own for the price of a comparison.

use std::str;

use uuid::Uuid;

use super::Publication;

/// A publication on its way; `what` is none for a mere sign of life.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// The instance.
    pub(super) by: Uuid,
    /// Counts the instance's envelopes from 1, those included that never left it.
    pub(super) number: u64,
    body: &'a str,
}

/// What an envelope held.
pub(super) enum Content {
    /// Nothing: a sign of life.
    Pulse,
    /// This.
    Said(Publication),
    /// Something that this version does not know.
    Unknown,
}

/// An envelope's text.
pub(super) fn seal(by: Uuid, number: u64, what: Option<&Publication>) -> String {
    // Strings and numbers only: a publication always serialises.
    let body = what.map(|what| serde_json::to_string(what).unwrap_or_default());
    format!("{} {number} {}", by.simple(), body.unwrap_or_default())
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Reads the outside of an envelope; none when it is not one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut parts = str::from_utf8(bytes).ok()?.splitn(3, ' ');
        let by = Uuid::try_parse(parts.next()?).ok()?;
        let number = parts.next()?.parse().ok()?;
        Some(Self { by, number, body: parts.next()? })
    }

    /// Opens it.
    pub(super) fn open(&self) -> Content {
        if self.body.is_empty() {
            return Content::Pulse;
        }
        serde_json::from_str(self.body).map_or(Content::Unknown, Content::Said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bus::Audience,
        model::{Change, ChangeKind},
    };

    fn through(publication: &Publication) -> (Uuid, u64, Publication) {
        let text = seal(Uuid::from_u128(7), 9, Some(publication));
        let envelope = Envelope::read(text.as_bytes()).unwrap();
        let Content::Said(said) = envelope.open() else { panic!("{text}") };
        (envelope.by, envelope.number, said)
    }

    #[test]
    fn changes_come_out_as_they_went_in() {
        let change = Change {
            calendar_id: Uuid::from_u128(1),
            seq: 3,
            kind: ChangeKind::MemberLeft,
            by: "zoë \"z\"".into(),
            at: "2026-03-01T10:00:00.123456Z".parse().unwrap(),
            subject: Some(Uuid::from_u128(2)),
            payload: r#"{"username":"a b\n"}"#.into(),
        };
        let (by, number, said) = through(&Publication::Changes(vec![change.clone(); 2]));
        assert_eq!((by, number), (Uuid::from_u128(7), 9));
        let Publication::Changes(changes) = said else { panic!("{said:?}") };
        assert_eq!(format!("{changes:?}"), format!("{:?}", [&change, &change]));
    }

    #[test]
    fn every_other_kind_comes_out_as_it_went_in() {
        let accounts = vec![Uuid::from_u128(1), Uuid::from_u128(2)];
        for publication in [
            Publication::Frame { to: Audience::Everybody, frame: r#"{"type":"message"}"#.into() },
            Publication::Frame { to: Audience::Accounts(accounts), frame: "{}".into() },
            Publication::Roster(vec![(Uuid::from_u128(1), 2)]),
            Publication::Sockets(Uuid::from_u128(1), 0),
            Publication::WhoIsThere,
        ] {
            assert_eq!(format!("{:?}", through(&publication).2), format!("{publication:?}"));
        }
    }

    #[test]
    fn a_sign_of_life_says_nothing_and_foreign_things_do_no_harm() {
        let pulse = seal(Uuid::nil(), 1, None);
        assert!(matches!(Envelope::read(pulse.as_bytes()).unwrap().open(), Content::Pulse));
        let newer = format!("{} 4 {{\"telepathy\":[]}}", Uuid::nil().simple());
        assert!(matches!(Envelope::read(newer.as_bytes()).unwrap().open(), Content::Unknown));
        for foreign in
            [&b""[..], b"hello", b"hello 1 {}", b"\xff\xfe", b"00000000000000000000000000000000 x {}"]
        {
            assert!(Envelope::read(foreign).is_none());
        }
    }
}
