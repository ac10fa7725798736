//! Table `relay_state`: one row, who leads and how far the stream is.

use chassis::fault::Fault;
use sqlx::PgConnection;

use super::Tx;

/// Which leader and which stream a state belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Of the leader.
    pub(crate) epoch: i64,
    /// Of the stream: another one after a reset by hand.
    pub(crate) generation: i64,
}

/// What a snapshot holds, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) position: u64,
    pub(crate) waiting: usize,
    pub(crate) bytes: usize,
}

// === impl Standing ===

impl Standing {
    /// How it stands now, asked on a connection that holds the leader's lock.
    pub(crate) async fn read(connection: &mut PgConnection) -> Result<Self, Fault> {
        Ok(sqlx::query_as!(Self, "select epoch, generation from relay_state").fetch_one(connection).await?)
    }
}

// === impl Tx ===

impl Tx {
    /// Takes the lead: whoever had it can write no more.
    pub(crate) async fn take_lead(&mut self) -> Result<Standing, Fault> {
        let row =
            sqlx::query_as!(Standing, "update relay_state set epoch = epoch + 1 returning epoch, generation");
        Ok(row.fetch_one(&mut *self.inner).await?)
    }

    /// Writes how far the stream is; false when another one leads, or the stream was reset.
    pub(crate) async fn write_position(
        &mut self,
        standing: Standing,
        summary: Summary,
    ) -> Result<bool, Fault> {
        let done = sqlx::query!(
            "update relay_state set position = $3, waiting = $4, bytes = $5, taken_at = app_now()
             where epoch = $1 and generation = $2",
            standing.epoch,
            standing.generation,
            summary.position as i64,
            summary.waiting as i32,
            summary.bytes as i64,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A stream from 1: a processor that leads sees by the generation that it is meant.
    pub(crate) async fn restart_stream(&mut self) -> Result<(), Fault> {
        sqlx::query!(
            "update relay_state set generation = generation + 1, position = 0, waiting = 0, bytes = 0,
                 taken_at = app_now()"
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
