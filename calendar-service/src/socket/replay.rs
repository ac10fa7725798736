//! Tells one listener what it missed, page by page from the log, as fast as it
//! reads; then puts it where the room is. Nothing is buffered meanwhile: what
//! happens during the replay is read from the log as well.

use std::{sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::sleep};
use uuid::Uuid;

use super::{
    connection::Connection,
    hub::Hub,
    keeper::Command,
    registry::Entry as _,
    room::{Missed, Promoted},
    wire::BlockBuilder,
};
use crate::model::{Change, frame};

/// Changes read at once.
const PAGE: u32 = 250;
/// Bytes of payload sent at once, so that a page of large events fits a queue.
const BLOCK_BYTES: usize = 64 * 1024;
/// From a failure to the next try.
const AGAIN: Duration = Duration::from_millis(200);

/// Replays what was missed. Ends when the listener is live, or gone.
pub(super) async fn replay(
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    calendar_id: Uuid,
    calendar_name: Arc<str>,
    missed: Missed,
) {
    let Missed { mut have, mut upto, gone } = missed;
    while !gone.is_set() {
        let Some(mut page) = read(&hub, calendar_id, have).await else {
            sleep(AGAIN).await;
            continue;
        };
        page.retain(|change| change.seq <= upto);
        for part in page.chunk_by(fits_together()) {
            let mut block = BlockBuilder::default();
            for change in part {
                block.push_text(frame(change, &calendar_name).as_bytes());
                have = change.seq;
            }
            hub.meters.frames_out.increment(part.len() as u64);
            if !connection.send_patiently(&block.build(), &gone).await {
                return;
            }
        }
        if page.len() == PAGE as usize && have < upto {
            continue;
        }
        // The log was read after the room told it up to here: a number before
        // that which the log does not have does not exist.
        have = upto;
        let (reply, answer) = oneshot::channel();
        let promote = Command::Promote { serial: connection.serial(), seq: have, reply };
        hub.send(calendar_id, promote);
        match answer.await {
            Ok(Promoted::Behind(seq)) => upto = seq,
            Ok(Promoted::Live | Promoted::Gone) => return,
            // The room could not take it: it is full, or gone.
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// A page of the log; `None` when it cannot be read now. Few replays read at once.
async fn read(hub: &Hub, calendar_id: Uuid, after: i64) -> Option<Vec<Change>> {
    let _permit = hub.replays.acquire().await.ok()?;
    hub.service.store.changes_after(calendar_id, after, PAGE).await.ok()
}

/// Says of neighbours whether the second still fits into the first's block.
fn fits_together() -> impl FnMut(&Change, &Change) -> bool {
    let mut bytes = 0;
    move |one, other| {
        bytes += one.payload.len();
        let fits = bytes + other.payload.len() <= BLOCK_BYTES;
        if !fits {
            bytes = 0;
        }
        fits
    }
}
