//! Whom to choose among those that are ready: the less busy of two drawn by
//! lot, or always the same one for the same client. Neither looks at more
//! instances than it must.

use rand::Rng;

/// Draws two different ones of `count`; the same one twice only when there is
/// but one.
pub(super) fn two_of(count: usize, rng: &mut impl Rng) -> Option<(usize, usize)> {
    match count {
        0 => None,
        1 => Some((0, 0)),
        count => {
            let one = rng.random_range(0..count);
            let other = rng.random_range(0..count - 1);
            Some((one, if other >= one { other + 1 } else { other }))
        }
    }
}

/// The one of `names` for `key`, by rendezvous: each name gets a score with the
/// key, the highest wins. A name that goes moves its own keys only, a name that
/// comes takes its share of each. All gateways score alike.
pub(super) fn rendezvous<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let scores = names.enumerate().map(|(index, name)| (score(key, name), index));
    scores.max().map(|(_, index)| index)
}

/// FNV-1a over both, mixed well (the finaliser of MurmurHash3): equal on every
/// machine and in every version, which the standard library's hash is not.
fn score(key: &str, name: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = key.bytes().chain([0xff]).chain(name.bytes());
    let mut hash = bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn chosen<'a>(key: &str, names: &[&'a str]) -> Option<&'a str> {
        rendezvous(key, names.iter().copied()).map(|index| names[index])
    }

    #[test]
    fn every_pair_is_drawn_about_as_often() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut drawn = [[0_u32; 5]; 5];
        for _ in 0..20_000 {
            let (one, other) = two_of(5, &mut rng).unwrap();
            drawn[one][other] += 1;
        }
        for (one, row) in drawn.iter().enumerate() {
            for (other, count) in row.iter().enumerate() {
                let expected = if one == other { 0..=0 } else { 850..=1_150 };
                assert!(expected.contains(count), "{one} {other}: {count}");
            }
        }
    }

    #[test]
    fn clients_are_spread_evenly() {
        let names = ["10.0.0.1:8062", "10.0.0.2:8062", "10.0.0.3:8062"];
        let mut counts = [0_u32; 3];
        for n in 0..30_000_u32 {
            let key = std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761)).to_string();
            counts[rendezvous(&key, names.into_iter()).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..=10_500).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn two_are_drawn_within_bounds_and_differ(count in 0_usize..100, seed in any::<u64>()) {
            match two_of(count, &mut StdRng::seed_from_u64(seed)) {
                None => prop_assert_eq!(count, 0),
                Some((one, other)) => {
                    prop_assert!(one < count && other < count);
                    prop_assert!(one != other || count == 1);
                }
            }
        }

        /// Who goes moves nobody else's clients; who comes takes only for itself.
        #[test]
        fn a_change_moves_only_its_share(
            names in prop::collection::btree_set("[a-z]{1,8}:[0-9]{2}", 2..8),
            keys in prop::collection::vec("[0-9a-f.:]{1,20}", 1..50),
            index in any::<prop::sample::Index>(),
        ) {
            let all: Vec<_> = names.iter().map(String::as_str).collect();
            let gone = all[index.index(all.len())];
            let left: Vec<_> = all.iter().copied().filter(|name| *name != gone).collect();
            let turned: Vec<_> = left.iter().rev().copied().collect();
            for key in &keys {
                let (before, after) = (chosen(key, &all), chosen(key, &left));
                prop_assert!(before == after || before == Some(gone));
                prop_assert_eq!(after, chosen(key, &turned), "whatever their order");
            }
        }
    }
}
