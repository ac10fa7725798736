//! Frames that are in no calendar's log: to whoever is connected now, on this
//! instance and on the others. Best effort.

use std::sync::Arc;

use serde::Serialize;
use tokio::task::yield_now;

use super::{hub::Hub, registry::Registry, room::Listener as _, wire::BlockBuilder};
use crate::bus::{Audience, Publication};

/// Sockets written between two pauses.
const STEP: usize = 128;

/// Says something to everybody who should hear it, on every instance.
pub(super) async fn say(hub: &Hub, to: Audience, frame: &impl Serialize) {
    // Our frames are structs with string keys: they always serialise.
    let frame: Arc<str> = serde_json::to_string(frame).unwrap_or_default().into();
    let here = to.clone();
    hub.service.bus.forward(Publication::Frame { to, frame: Arc::clone(&frame) });
    deliver(hub, &here, &frame).await;
}

/// Sends a frame to those of its audience who are connected to this instance.
pub(super) async fn deliver(hub: &Hub, to: &Audience, frame: &str) {
    let audience = match to {
        Audience::Everybody => hub.registry(Registry::all),
        Audience::Accounts(accounts) => {
            let accounts = accounts.iter().copied().collect();
            hub.registry(|registry| registry.of_accounts(&accounts))
        }
    };
    let mut block = BlockBuilder::default();
    block.push_text(frame.as_bytes());
    let block = block.build();
    for step in audience.chunks(STEP) {
        for listener in step {
            listener.send(&block);
        }
        yield_now().await;
    }
    hub.meters.frames_out.increment(audience.len() as u64);
}
