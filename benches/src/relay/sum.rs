//! A sum over a stream of bytes that depends on their order, and costs little.

/// Of what came so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many bytes.
    pub length: u64,
    words: u64,
    /// Bytes that make no whole word yet.
    rest: u64,
}

// === impl Sum ===

impl Sum {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let open = (8 - self.length as usize % 8) % 8;
        let (head, body) = bytes.split_at(open.min(bytes.len()));
        for byte in head {
            self.byte(*byte);
        }
        let words = body.chunks_exact(8);
        let tail = words.remainder();
        let mut weight = self.weight();
        for word in words {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            self.words = self.words.wrapping_add(word.wrapping_mul(weight));
            weight = weight.wrapping_add(2);
        }
        self.length += (body.len() - tail.len()) as u64;
        for byte in tail {
            self.byte(*byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.rest |= u64::from(byte) << (self.length % 8 * 8);
        if self.length % 8 == 7 {
            self.words = self.words.wrapping_add(self.rest.wrapping_mul(self.weight()));
            self.rest = 0;
        }
        self.length += 1;
    }

    /// Odd, and another one for each word.
    const fn weight(&self) -> u64 {
        self.length / 8 * 2 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter_and_order_does() {
        let bytes: Vec<u8> = (0..1000).map(|number| (number * 7) as u8).collect();
        let mut whole = Sum::default();
        whole.add(&bytes);
        for size in 1..40 {
            let mut pieces = Sum::default();
            bytes.chunks(size).for_each(|piece| pieces.add(piece));
            assert_eq!(pieces, whole);
        }
        let mut other = Sum::default();
        other.add(&bytes[8..]);
        other.add(&bytes[..8]);
        assert_ne!(other, whole);
    }
}
