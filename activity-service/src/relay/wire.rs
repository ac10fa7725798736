//! A line of the relay and what it says.
//!
//! An event is at most [`EVENT_MAX`] bytes with its line end, for its numbers
//! have at most twenty digits; so whoever keeps events knows how much room they
//! take. Lines are read twice, once to sort out what is malformed and once to
//! act; hence one pass over the bytes that finds the line's end on its way.

/// The longest event: three numbers, two bars around a letter, a bar, CRLF.
pub(crate) const EVENT_MAX: usize = 3 * DIGITS_MAX + 4 + 2;
/// Longer lines are malformed whatever they say.
pub(crate) const LINE_MAX: usize = 1024;
/// Of a number; leading zeros count.
const DIGITS_MAX: usize = 20;

/// The room of a [`Line`].
pub(crate) const ROOM: usize = 72;
const _: () = assert!(EVENT_MAX <= ROOM);

/// A line on its way, with its line end; empty for a place that is only passed
/// over. Behind its end may stand anything: copies of a fixed size cost less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    length: u8,
    bytes: [u8; ROOM],
}

/// A well-formed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its place in the stream, from 1.
    pub(crate) seq: u64,
    /// What happened.
    pub(crate) kind: Kind,
}

/// What happened, between which users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `from` follows `to`.
    Follow { from: u64, to: u64 },
    /// `from` no longer follows `to`.
    Unfollow { from: u64, to: u64 },
    /// For every connected client.
    Broadcast,
    /// From one user to another.
    Private { from: u64, to: u64 },
    /// For the followers of `from`.
    Status { from: u64 },
}

/// Why a line is no event. Names label a metric, so there are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing but a line end.
    Empty,
    /// The first field is no number from 1 to 2^63 - 1.
    Seq,
    /// The second field is missing, or no known letter.
    Type,
    /// A user id is missing or no number.
    User,
    /// There is more than belongs to the type.
    Rest,
    /// Over [`LINE_MAX`] bytes.
    TooLong,
    /// The connection ended within the line.
    Unterminated,
}

/// A line that is no event; its place is known when the first field can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Its place in the stream.
    pub(crate) seq: Option<u64>,
    /// What is wrong with it.
    pub(crate) fault: Fault,
}

/// Reads along a line.
struct Reader<'a> {
    rest: &'a [u8],
}

/// Reads the event at the start of `bytes` with its line end, and says how many
/// bytes it took. `None` when there is no whole, well-formed line.
#[inline]
pub(crate) fn event(bytes: &[u8]) -> Option<(Event, usize)> {
    let mut reader = Reader { rest: bytes };
    let event = reader.event().ok()?;
    reader.end_of_line()?;
    Some((event, bytes.len() - reader.rest.len()))
}

/// Says what is wrong with a line, given without its end.
pub(crate) fn malformed(line: &[u8]) -> Malformed {
    if line.is_empty() {
        return Malformed { seq: None, fault: Fault::Empty };
    }
    let mut reader = Reader { rest: line };
    let fault = match reader.event() {
        Err(fault) => fault,
        Ok(_) => Fault::Rest,
    };
    Malformed { seq: seq(line), fault: if line.len() > LINE_MAX { Fault::TooLong } else { fault } }
}

/// The place of a line in the stream, when its first field is whole.
pub(crate) fn seq(line: &[u8]) -> Option<u64> {
    let mut reader = Reader { rest: line };
    let seq = reader.seq().ok()?;
    matches!(reader.rest.first(), None | Some(b'|')).then_some(seq)
}

/// Cuts `bytes` after the first line end: the line without it, and its length with it.
pub(crate) fn cut(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

// === impl Line ===

impl Line {
    /// No line.
    pub(crate) const EMPTY: Self = Self { length: 0, bytes: [0; ROOM] };

    /// The line that `text` begins with, of so many bytes; at most [`EVENT_MAX`] of them.
    #[inline]
    pub(crate) fn cut(text: &[u8], length: usize) -> Self {
        let length = length.min(EVENT_MAX).min(text.len());
        if let Some(room) = text.first_chunk() {
            return Self { length: length as u8, bytes: *room };
        }
        let mut line = Self { length: length as u8, ..Self::EMPTY };
        line.bytes[..length].copy_from_slice(&text[..length]);
        line
    }

    /// How many bytes it has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// The line.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// Its room: the line, and anything.
    #[inline]
    pub(crate) const fn room(&self) -> &[u8; ROOM] {
        &self.bytes
    }
}

// === impl Reader ===

impl Reader<'_> {
    #[inline]
    fn event(&mut self) -> Result<Event, Fault> {
        let seq = self.seq()?;
        self.bar().ok_or(Fault::Type)?;
        let letter = self.byte().ok_or(Fault::Type)?;
        let kind = match letter {
            b'B' => Kind::Broadcast,
            b'F' => {
                let (from, to) = self.pair()?;
                Kind::Follow { from, to }
            }
            b'U' => {
                let (from, to) = self.pair()?;
                Kind::Unfollow { from, to }
            }
            b'P' => {
                let (from, to) = self.pair()?;
                Kind::Private { from, to }
            }
            b'S' => Kind::Status { from: self.user()? },
            _ => return Err(Fault::Type),
        };
        Ok(Event { seq, kind })
    }

    #[inline]
    fn seq(&mut self) -> Result<u64, Fault> {
        match self.number() {
            // What a database's bigint holds.
            Some(seq) if seq > 0 && i64::try_from(seq).is_ok() => Ok(seq),
            _ => Err(Fault::Seq),
        }
    }

    #[inline]
    fn pair(&mut self) -> Result<(u64, u64), Fault> {
        Ok((self.user()?, self.user()?))
    }

    #[inline]
    fn user(&mut self) -> Result<u64, Fault> {
        self.bar().and_then(|()| self.number()).ok_or(Fault::User)
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        let mut digits = 0;
        while let Some(digit) = self.rest.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10)
        {
            // Nineteen digits always fit.
            value = if digits < 19 {
                value * 10 + u64::from(digit)
            } else {
                value.checked_mul(10)?.checked_add(u64::from(digit))?
            };
            digits += 1;
            if digits > DIGITS_MAX {
                return None;
            }
        }
        self.rest = &self.rest[digits..];
        (digits > 0).then_some(value)
    }

    #[inline]
    fn bar(&mut self) -> Option<()> {
        self.rest = self.rest.strip_prefix(b"|")?;
        Some(())
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline]
    fn end_of_line(&mut self) -> Option<()> {
        self.rest = match self.rest {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
            _ => return None,
        };
        Some(())
    }
}

impl Fault {
    /// Its name as a metric's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Seq => "seq",
            Self::Type => "type",
            Self::User => "user",
            Self::Rest => "rest",
            Self::TooLong => "too_long",
            Self::Unterminated => "unterminated",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_five_types_of_the_contract() {
        let kind =
            |line: &str| event(format!("{line}\n").as_bytes()).map(|(event, _)| (event.seq, event.kind));
        assert_eq!(kind("666|F|60|50"), Some((666, Kind::Follow { from: 60, to: 50 })));
        assert_eq!(kind("1|U|12|9"), Some((1, Kind::Unfollow { from: 12, to: 9 })));
        assert_eq!(kind("542532|B"), Some((542_532, Kind::Broadcast)));
        assert_eq!(kind("43|P|32|56"), Some((43, Kind::Private { from: 32, to: 56 })));
        assert_eq!(kind("634|S|32"), Some((634, Kind::Status { from: 32 })));
    }

    #[test]
    fn both_line_ends_and_nothing_less() {
        assert_eq!(event(b"1|B\n2|B").map(|(_, length)| length), Some(4));
        assert_eq!(event(b"1|B\r\n").map(|(_, length)| length), Some(5));
        assert_eq!((event(b"1|B"), event(b"1|B\r"), event(b"1|B\r\r\n")), (None, None, None));
        assert_eq!(cut(b"1|B\r\n2"), Some((&b"1|B"[..], 5)));
    }

    #[test]
    fn what_is_wrong_and_which_place_it_had() {
        let said = |line: &str| {
            let Malformed { seq, fault } = malformed(line.as_bytes());
            (seq, fault)
        };
        assert_eq!(said(""), (None, Fault::Empty));
        assert_eq!(said("7"), (Some(7), Fault::Type));
        assert_eq!(said("7|X"), (Some(7), Fault::Type));
        assert_eq!(said("7|b"), (Some(7), Fault::Type));
        assert_eq!(said("7|F|1"), (Some(7), Fault::User));
        assert_eq!(said("7|F|1|-2"), (Some(7), Fault::User));
        assert_eq!(said("7|F|1|2|3"), (Some(7), Fault::Rest));
        assert_eq!(said("7|B "), (Some(7), Fault::Rest));
        assert_eq!(said("7|S|99999999999999999999999"), (Some(7), Fault::User));
        assert_eq!(said("0|B"), (None, Fault::Seq));
        assert_eq!(said("-7|B"), (None, Fault::Seq));
        assert_eq!(said("7x|B"), (None, Fault::Type));
        assert_eq!(said("9223372036854775808|B"), (None, Fault::Seq));
        assert_eq!(said(&format!("7|{}", "x".repeat(LINE_MAX))), (Some(7), Fault::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some((event, length)) = event(&bytes) {
                prop_assert!(length <= EVENT_MAX && bytes[length - 1] == b'\n');
                prop_assert_eq!(seq(cut(&bytes).expect("a whole line").0), Some(event.seq));
            } else if let Some((line, _)) = cut(&bytes) {
                malformed(line);
            }
        }

        #[test]
        fn numbers_are_read_as_the_library_reads_them(seq in 1..=i64::MAX as u64, from: u64, to: u64) {
            let line = format!("{seq}|P|{from}|{to}\r\n");
            let expected = Event { seq, kind: Kind::Private { from, to } };
            prop_assert_eq!(event(line.as_bytes()), Some((expected, line.len())));
        }
    }
}
