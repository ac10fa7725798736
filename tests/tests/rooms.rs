//! Rooms through a bad network: after `resume` everybody has every `seq` once, in order.

use anyhow::Result;
use futures::future::try_join_all;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use system_tests::{
    door::Door,
    follower::{Follower, Memory},
    ledger::{Ledger, Verdict},
    proxy::Proxy,
    room::Room,
    stack::Stack,
    truth::Truth,
};
use uuid::Uuid;

/// Members whose connections are cut.
const FOLLOWERS: u8 = 8;
/// Changes that flow meanwhile.
const CHANGES: usize = 150;
/// CONTRACTS: more missed changes than this are not replayed.
const REPLAYED: i64 = 10_000;

/// Events and messages flow while connections are cut at random; the verdict over what everybody heard, and
/// how often they were connected.
async fn cut_at_random(name: &str, memory: Memory) -> Result<(Verdict, u32)> {
    let ledger = Ledger::open(name)?;
    let mut random = StdRng::seed_from_u64(ledger.seed());
    let stack =
        Stack::builder().set("SOCKET_FRAMES", "10000").set("SOCKET_FRAME_BURST", "10000").start().await?;
    let proxy = Proxy::start(stack.door().address()).await?;
    let shaky = Door::new(proxy.address())?;
    let ann = stack.person("ann").await?;
    let calendar = ann.create_calendar("Family").await?;
    let zoe = stack.person("zoe").await?;
    zoe.create_calendar("Others").await?;
    let elsewhere = Follower::start(&zoe, "Others").await?;
    let members = (0..FOLLOWERS).map(|n| {
        let shaky = &shaky;
        async move {
            let person = shaky.person(&format!("member{n}")).await?;
            Follower::with_memory(&person, "Family", memory).await
        }
    });
    let followers = try_join_all(members).await?;
    let room = ann.join("Family").await?;
    let start = stack.truth().seqs(&calendar).await?.last().copied().unwrap_or_default();
    for n in 0..CHANGES {
        if random.random_bool(0.4) {
            proxy.cut_one(&mut random);
        }
        if random.random_bool(0.02) {
            proxy.cut_all();
        }
        if random.random_bool(0.2) {
            room.create_event(&format!("e{n}")).await?;
        } else {
            room.say(&format!("m{n}")).await?;
        }
    }
    let last = room.say("the end").await?;
    let mut verdict = Verdict::default();
    for (n, follower) in followers.iter().enumerate() {
        follower.reaches(last).await?;
        // Who joined earlier heard the others join.
        let seqs = follower.seqs();
        let first = seqs.first().copied().unwrap_or_default().min(start + 1);
        verdict.hear(&format!("member{n}"), &seqs, first..=last);
        assert!(memory != Memory::Good || follower.resyncs() == 0, "nobody missed that much");
    }
    assert!(elsewhere.seqs().is_empty(), "members of another room heard {:?}", elsewhere.seqs());
    verdict.acked = CHANGES;
    Ok((verdict, followers.iter().map(Follower::connections).sum()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_costs_nobody_a_change() -> Result<()> {
    let (verdict, connections) = cut_at_random("rooms_cut", Memory::Good).await?;
    assert!(connections > 40, "only {connections} connections: nothing was cut");
    verdict.must_be_clean(CHANGES)
}

/// The controls: a client that remembers one change too many, and one too few.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgetful_client_turns_the_ledger_red() -> Result<()> {
    let (verdict, _) = cut_at_random("rooms_ahead", Memory::Ahead).await?;
    assert!(!verdict.lost.is_empty(), "{verdict}");
    let (verdict, _) = cut_at_random("rooms_behind", Memory::Behind).await?;
    assert!(!verdict.duplicated.is_empty(), "{verdict}");
    Ok(())
}

/// Writes so many messages into the log as one big transaction would.
async fn write_changes(truth: &Truth, calendar: &str, count: i64) -> Result<i64> {
    let last = sqlx::query_scalar(
        "with room as (
            update calendars set last_seq = last_seq + $2 where calendar_id = $1 returning last_seq
         ), written as (
            insert into calendar_changes (calendar_id, seq, kind, by_name, payload)
            select $1, room.last_seq - $2 + n, 'message', 'ann', json_build_object('message', 'm' || n)::text
            from room, generate_series(1, $2) as n
         )
         select last_seq from room",
    );
    Ok(last.bind(Uuid::parse_str(calendar)?).bind(count).fetch_one(truth.calendar()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_too_much_is_told_and_who_did_not_gets_all() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let calendar = ann.create_calendar("Family").await?;
    let first = stack.truth().seqs(&calendar).await?.last().copied().unwrap_or_default();
    let last = write_changes(stack.truth(), &calendar, REPLAYED).await?;
    assert_eq!(last, first + REPLAYED);

    let all = Room::resume(ann.socket().await?, "Family", first).await?;
    all.reaches(last).await?;
    let mut verdict = Verdict::default();
    verdict.hear("ann", &all.seqs(), first + 1..=last);
    verdict.must_be_clean(0)?;

    let last = write_changes(stack.truth(), &calendar, 1).await?;
    let late = Room::resume(ann.socket().await?, "Family", first).await?;
    let resync = late.socket.hears("resync").await?;
    assert_eq!((&resync["last_seq"], &resync["calendar_name"]), (&json!(last), &json!("Family")));
    let live = all.say("and on it goes").await?;
    assert_eq!(live, last + 1);
    late.reaches(live).await?;
    assert_eq!(late.seqs(), [live], "nothing of what was missed, and no gap after it");
    // The first connection was in the room while one was written behind the hub's back: no gap there either.
    assert!(all.seqs().ends_with(&[last, live]), "{:?}", &all.seqs()[all.seqs().len() - 3..]);
    // Who claims to have more than there is has been elsewhere: read anew.
    let ahead = Room::resume(ann.socket().await?, "Family", live + 5).await?;
    ahead.socket.hears("resync").await?;
    Ok(())
}
