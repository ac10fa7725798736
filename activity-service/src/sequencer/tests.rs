//! Any permutation in, sorted out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::*;

/// Offers everything; answers what came out, and how many were duplicates.
fn run(sequencer: &mut Sequencer, arrivals: &[u64]) -> (Vec<u64>, usize) {
    let (mut out, mut duplicates) = (Vec::new(), 0);
    for seq in arrivals {
        let line = format!("{seq}|B\n");
        match sequencer.offer(*seq, line.as_bytes(), line.len()) {
            Offered::Next => out.push(line),
            Offered::Waits => {}
            Offered::Duplicate => duplicates += 1,
        }
        loop {
            if sequencer.is_overfull() {
                sequencer.skip();
            }
            let Some(waiting) = sequencer.take() else { break };
            out.push(String::from_utf8(waiting.as_bytes().to_vec()).expect("text"));
        }
    }
    let number = |line: String| line.split('|').next().and_then(|seq| seq.parse().ok()).expect("a number");
    (out.into_iter().map(number).collect(), duplicates)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_permutation_in_sorted_out(size in 1_u64..5_000, batch in 1_usize..5_000, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut arrivals: Vec<u64> = (1..=size).collect();
        arrivals.chunks_mut(batch).for_each(|batch| batch.shuffle(&mut rng));
        let mut sequencer = Sequencer::new(1, 1_000_000);
        let (out, duplicates) = run(&mut sequencer, &arrivals);
        prop_assert_eq!(out, (1..=size).collect::<Vec<_>>());
        prop_assert_eq!((duplicates, sequencer.waiting(), sequencer.next()), (0, 0, size + 1));
    }

    #[test]
    fn each_comes_out_once_and_every_repeat_is_counted(
        arrivals in proptest::collection::vec(1_u64..400, 1..2_000),
    ) {
        let mut sequencer = Sequencer::new(1, 1_000_000);
        let (out, duplicates) = run(&mut sequencer, &arrivals);
        let distinct: BTreeSet<u64> = arrivals.iter().copied().collect();
        let whole = (1..400).take_while(|seq| distinct.contains(seq)).collect::<Vec<_>>();
        prop_assert_eq!(duplicates, arrivals.len() - distinct.len());
        prop_assert_eq!(sequencer.waiting(), distinct.len() - whole.len());
        prop_assert_eq!(
            sequencer.iter().map(|(seq, _)| seq).collect::<Vec<_>>(),
            distinct.into_iter().skip(whole.len()).collect::<Vec<_>>()
        );
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn the_window_holds_whatever_is_missing(
        arrivals in proptest::collection::vec(
            prop_oneof![1_u64..3_000, Just(u64::MAX / 2), 1_u64..i64::MAX as u64], 1..1_000),
        window in 1_usize..50,
    ) {
        let mut sequencer = Sequencer::new(1, window);
        let (out, _) = run(&mut sequencer, &arrivals);
        prop_assert!(out.is_sorted_by(|one, other| one < other));
        prop_assert!(sequencer.waiting() <= window);
    }
}

#[test]
fn what_is_far_ahead_waits_in_the_tree_and_comes_out_in_its_turn() {
    let mut sequencer = Sequencer::new(1, 10);
    let far = RING_MAX as u64 + 5;
    assert_eq!(run(&mut sequencer, &[far, far, 1]), (vec![1], 1));
    sequencer.next = far - 1;
    assert_eq!(run(&mut sequencer, &[far, far - 1, far]), (vec![far - 1, far], 2));
    assert_eq!(sequencer.waiting(), 0);
}

#[test]
fn an_empty_line_is_passed_over() {
    let mut sequencer = Sequencer::new(1, 10);
    assert_eq!(sequencer.offer(2, b"", 0), Offered::Waits);
    assert_eq!(sequencer.offer(1, b"", 0), Offered::Next);
    assert_eq!(sequencer.take().map(Line::len), Some(0));
    assert_eq!(sequencer.next(), 3);
}

#[test]
fn memory_that_a_gap_needed_comes_back() {
    let mut sequencer = Sequencer::new(1, 100_000);
    run(&mut sequencer, &(2..100_000).collect::<Vec<_>>());
    assert!(sequencer.ring.len() > RING_MIN);
    let (out, _) = run(&mut sequencer, &[1]);
    sequencer.relax();
    assert_eq!((out.len(), sequencer.ring.len(), sequencer.waiting()), (99_999, RING_MIN, 0));
}
