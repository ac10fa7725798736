//! Bytes of one source to packs: whole lines, whatever way TCP cut them.

use crate::relay::wire::{self, Fault, LINE_MAX, Malformed};

/// What is read at once. With the bytes below a pack stays within 64 KiB.
const READ: usize = 48 << 10;
/// From this size on a pack is full.
const FULL: usize = 16 << 10;

/// The unfinished line of a source, and the pack that its lines go into.
#[derive(Debug)]
pub(super) struct Packer {
    /// Bytes as they came, from the start of an unfinished line.
    buffer: Box<[u8]>,
    filled: usize,
    /// Within a line that is too long: everything up to its end is dropped.
    skips: bool,
    pack: Vec<u8>,
}

// === impl Packer ===

impl Packer {
    pub(super) fn new() -> Self {
        let buffer = vec![0; READ].into_boxed_slice();
        Self { buffer, filled: 0, skips: false, pack: Vec::new() }
    }

    /// Where to read to; never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Takes in what was read; tells of each malformed line, with its length.
    pub(super) fn took(&mut self, read: usize, malformed: impl FnMut(Malformed, usize)) {
        self.filled += read;
        let buffer = std::mem::take(&mut self.buffer);
        let used = self.lines(&buffer[..self.filled], malformed);
        self.buffer = buffer;
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
    }

    /// The source has ended: what is left is no line, for its end is missing.
    /// Its place does not count as passed: the number may be cut as well.
    pub(super) fn end(&mut self, mut malformed: impl FnMut(Malformed, usize)) {
        if self.filled > 0 && !self.skips {
            malformed(Malformed { seq: None, fault: Fault::Unterminated }, self.filled);
        }
        self.filled = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pack.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.pack.len() >= FULL
    }

    /// The pack; the next one is empty.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pack)
    }

    /// Packs whole lines; answers how many bytes are done with.
    fn lines(&mut self, bytes: &[u8], mut malformed: impl FnMut(Malformed, usize)) -> usize {
        let mut at = self.skip(bytes);
        // Well-formed lines that are not in the pack yet: copied in one piece.
        let mut from = at;
        loop {
            if let Some((_, length)) = wire::event(&bytes[at..]) {
                at += length;
                continue;
            }
            self.pack.extend_from_slice(&bytes[from..at]);
            let rest = &bytes[at..];
            if let Some((line, length)) = wire::cut(rest) {
                self.refuse(wire::malformed(line), line.len(), &mut malformed);
                at += length;
                from = at;
            } else if rest.len() > LINE_MAX + 1 {
                let seq = wire::malformed(rest).seq;
                self.refuse(Malformed { seq, fault: Fault::TooLong }, rest.len(), &mut malformed);
                self.skips = true;
                return bytes.len();
            } else {
                return at;
            }
        }
    }

    fn skip(&mut self, bytes: &[u8]) -> usize {
        if !self.skips {
            return 0;
        }
        match wire::cut(bytes) {
            Some((_, length)) => {
                self.skips = false;
                length
            }
            None => bytes.len(),
        }
    }

    /// A place that can be read travels on, so that nothing waits for it.
    fn refuse(&mut self, what: Malformed, length: usize, malformed: &mut impl FnMut(Malformed, usize)) {
        if let Some(seq) = what.seq {
            self.pack.extend_from_slice(format!("{seq}\n").as_bytes());
        }
        malformed(what, length);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds pieces; answers the pack and the faults.
    fn pack(pieces: &[&[u8]]) -> (String, Vec<Malformed>) {
        let (mut packer, mut faults) = (Packer::new(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let length = packer.room().len().min(rest.len());
                packer.room()[..length].copy_from_slice(&rest[..length]);
                packer.took(length, |fault, _| faults.push(fault));
                rest = &rest[length..];
            }
        }
        packer.end(|fault, _| faults.push(fault));
        (String::from_utf8(packer.take()).expect("text"), faults)
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_lines_are_the_same(
            lines in proptest::collection::vec(
                prop_oneof![
                    (1_u64..99).prop_map(|seq| format!("{seq}|B")),
                    (1_u64..99).prop_map(|seq| format!("{seq}|F|1|22")),
                    (1_u64..99).prop_map(|seq| format!("{seq}|X")),
                    Just(String::new()),
                    Just("?".to_owned()),
                    (900_usize..2_200).prop_map(|length| format!("7|{}", "x".repeat(length))),
                ],
                0..40,
            ),
            crlf: bool,
            cuts in proptest::collection::vec(1_usize..1_500, 1..60),
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let text = lines.iter().flat_map(|line| [line.as_str(), end]).collect::<String>();
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, others) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            let whole = pack(&[text.as_bytes()]);
            prop_assert_eq!(pack(&pieces), whole.clone());
            let well = |line: &String| wire::event(format!("{line}\n").as_bytes()).is_some();
            prop_assert_eq!(whole.1.len(), lines.iter().filter(|line| !well(line)).count());
        }
    }

    #[test]
    fn line_ends_are_kept_as_they_came() {
        assert_eq!(pack(&[b"1|B\r\n2|B\n"]), ("1|B\r\n2|B\n".to_owned(), vec![]));
    }

    #[test]
    fn a_malformed_line_leaves_its_place_and_a_cut_one_does_not() {
        let (text, faults) = pack(&[b"1|B\n2|X|9\nnonsense\n3|B\n45|F|1"]);
        assert_eq!(text, "1|B\n2\n3|B\n");
        assert_eq!(
            faults,
            [
                Malformed { seq: Some(2), fault: Fault::Type },
                Malformed { seq: None, fault: Fault::Seq },
                Malformed { seq: None, fault: Fault::Unterminated },
            ]
        );
    }

    #[test]
    fn a_line_without_an_end_takes_no_room() {
        let endless = vec![b'9'; 10 * READ];
        let (text, faults) = pack(&[b"5|", &endless, b"\n6|B\n"]);
        assert_eq!(text, "5\n6|B\n");
        assert_eq!(faults, [Malformed { seq: Some(5), fault: Fault::TooLong }]);
    }
}
