//! Snapshots in the database: written by the leader, read by the next one.

use chassis::fault::Fault;

use super::store::{RelayStore, Standing, Summary};

/// A piece of a snapshot; writing one takes milliseconds.
const PART: usize = 1 << 20;

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is the one to go on from.
    Written,
    /// Another processor leads, or the stream was reset: nothing was written.
    Refused,
}

/// Takes the lead and answers with the last snapshot, if there is one.
pub(crate) async fn take_lead(store: &RelayStore) -> Result<(Standing, Option<Vec<u8>>), Fault> {
    let mut tx = store.begin().await?;
    let standing = tx.take_lead().await?;
    let mut snapshot = Vec::new();
    let mut parts = 0;
    while let Some(part) = tx.part(parts).await? {
        snapshot.extend_from_slice(&part);
        parts += 1;
    }
    tx.commit().await?;
    Ok((standing, (parts > 0).then_some(snapshot)))
}

/// Writes a snapshot: all of it, with the position, in one transaction.
pub(crate) async fn write(
    store: &RelayStore,
    standing: Standing,
    summary: Summary,
    snapshot: &[u8],
) -> Result<Kept, Fault> {
    let mut tx = store.begin().await?;
    // First: it locks the row, so that no two write at once, and says whether we may.
    if !tx.write_position(standing, summary).await? {
        return Ok(Kept::Refused);
    }
    let mut parts = 0;
    for part in snapshot.chunks(PART) {
        tx.write_part(parts, part).await?;
        parts += 1;
    }
    tx.remove_parts(parts).await?;
    tx.commit().await?;
    Ok(Kept::Written)
}

/// Forgets position and graph. A processor that leads notices within a second.
pub(crate) async fn reset(store: &RelayStore) -> Result<(), Fault> {
    let mut tx = store.begin().await?;
    tx.restart_stream().await?;
    tx.remove_parts(0).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    fn summary(position: u64) -> Summary {
        Summary { position, waiting: 0, bytes: 0 }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn the_next_leader_goes_on_from_the_last_snapshot(pool: PgPool) {
        let store = RelayStore::new(pool);
        let (first, none) = take_lead(&store).await.expect("a lead");
        assert_eq!(none, None);
        let large: Vec<u8> = (0..PART * 2 + 7).map(|number| number as u8).collect();
        assert_eq!(write(&store, first, summary(1), &large).await.expect("written"), Kept::Written);
        assert_eq!(write(&store, first, summary(2), b"small").await.expect("written"), Kept::Written);
        let (_, snapshot) = take_lead(&store).await.expect("a lead");
        assert_eq!(snapshot.as_deref(), Some(&b"small"[..]));
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn who_no_longer_leads_writes_nothing(pool: PgPool) {
        let store = RelayStore::new(pool);
        let (old, _) = take_lead(&store).await.expect("a lead");
        let (new, _) = take_lead(&store).await.expect("a lead");
        assert_eq!(write(&store, new, summary(5), b"new").await.expect("written"), Kept::Written);
        assert_eq!(write(&store, old, summary(4), b"old").await.expect("an answer"), Kept::Refused);
        let (_, snapshot) = take_lead(&store).await.expect("a lead");
        assert_eq!(snapshot.as_deref(), Some(&b"new"[..]));
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_reset_forgets_and_is_seen_by_who_leads(pool: PgPool) {
        let store = RelayStore::new(pool);
        let (standing, _) = take_lead(&store).await.expect("a lead");
        write(&store, standing, summary(5), b"state").await.expect("written");
        reset(&store).await.expect("reset");
        assert_eq!(write(&store, standing, summary(6), b"state").await.expect("an answer"), Kept::Refused);
        let mut connection = store.pool().acquire().await.expect("a connection");
        let now = Standing::read(&mut connection).await.expect("an answer");
        assert_eq!((now.epoch, now.generation), (standing.epoch, standing.generation + 1));
        drop(connection);
        assert_eq!(take_lead(&store).await.expect("a lead").1, None);
    }
}
