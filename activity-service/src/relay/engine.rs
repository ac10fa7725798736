//! The state of the stream: what is in order, who follows whom, who listens.
//!
//! Plain code without waiting: a pack goes in, lines come to stand in the stages
//! of the clients. The processor around it does everything that waits.

use std::{collections::BTreeSet, ops::Range};

use super::{
    clients::Clients,
    followers::Followers,
    pack::{self, PackId, Recent},
    route::route,
    wire::{self, Line},
};
use crate::sequencer::{Offered, Sequencer};

/// Bounds of the state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineBounds {
    /// Events that may wait for a gap.
    pub(crate) gap_window: usize,
    /// Bytes of the graph.
    pub(crate) graph_bytes: usize,
    /// Ids of packs that are remembered.
    pub(crate) recent_packs: usize,
}

/// The state of the stream.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) sequencer: Sequencer,
    pub(crate) followers: Followers,
    pub(crate) clients: Clients,
    /// Listeners that have sources.
    pub(crate) listeners: BTreeSet<String>,
    /// The packs that this state holds, of late: a pack that comes again is known.
    pub(crate) recent: Recent,
    /// What was counted since the last look.
    pub(crate) counts: Counts,
    bounds: EngineBounds,
}

/// What packs did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) follows: u64,
    pub(crate) unfollows: u64,
    pub(crate) broadcasts: u64,
    pub(crate) privates: u64,
    pub(crate) statuses: u64,
    /// Places of malformed lines.
    pub(crate) passed: u64,
    pub(crate) notifications: u64,
    pub(crate) duplicates: u64,
    /// Whole packs that came again.
    pub(crate) repeated_packs: u64,
    /// Events that were given up.
    pub(crate) skipped: u64,
    /// Follows that the graph had no room for.
    pub(crate) refused_follows: u64,
}

/// What a pack was, for the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Events, or nothing new.
    Events,
    /// A listener has sources, or no longer has.
    Sources,
}

// === impl Engine ===

impl Engine {
    /// A stream from 1 that nobody has followed anybody in.
    pub(crate) fn new(bounds: EngineBounds, clients: Clients) -> Self {
        Self {
            sequencer: Sequencer::new(1, bounds.gap_window),
            followers: Followers::new(bounds.graph_bytes),
            clients,
            listeners: BTreeSet::new(),
            recent: Recent::new(bounds.recent_packs),
            counts: Counts::default(),
            bounds,
        }
    }

    /// The last event that went out.
    pub(crate) const fn position(&self) -> u64 {
        self.sequencer.next() - 1
    }

    /// Whether all sources are closed and nothing waits, after something came.
    pub(crate) fn is_finished(&self) -> bool {
        self.listeners.is_empty() && self.sequencer.waiting() == 0 && self.position() > 0
    }

    /// Forgets position and graph. Clients stay, and so do the ids of packs.
    pub(crate) fn reset(&mut self) {
        self.sequencer = Sequencer::new(1, self.bounds.gap_window);
        self.followers = Followers::new(self.bounds.graph_bytes);
        self.clients.forget_numbers();
    }

    /// Takes a client in.
    pub(crate) fn join(&mut self, id: u64, link: std::sync::Arc<super::clients::link::Link>) {
        self.clients.join(id, link, self.followers.number(id));
    }

    /// Takes a pack in; what it brings in order is staged.
    pub(crate) fn apply(&mut self, id: PackId, body: &[u8]) -> Applied {
        if !self.recent.insert(id) {
            self.counts.repeated_packs += 1;
            return Applied::Events;
        }
        if let Some((listener, open)) = pack::read_sources(body) {
            if open {
                self.listeners.insert(listener);
            } else {
                self.listeners.remove(&listener);
            }
            return Applied::Sources;
        }
        self.lines(body);
        Applied::Events
    }

    /// Gives up on what is missing before the first that waits.
    pub(crate) fn skip(&mut self) -> Option<Range<u64>> {
        let skipped = self.sequencer.skip()?;
        self.counts.skipped += skipped.end - skipped.start;
        tracing::warn!(
            first = skipped.start,
            last = skipped.end - 1,
            waiting = self.sequencer.waiting(),
            "events are missing and were given up"
        );
        self.drain();
        Some(skipped)
    }

    fn lines(&mut self, body: &[u8]) {
        let mut rest = body;
        loop {
            if let Some((event, length)) = wire::event(rest) {
                match self.sequencer.offer(event.seq, rest, length) {
                    Offered::Next => {
                        let Self { followers, clients, counts, .. } = self;
                        route(event, &Line::cut(rest, length), followers, clients, counts);
                        self.drain();
                    }
                    Offered::Waits => self.keep_within_window(),
                    Offered::Duplicate => self.counts.duplicates += 1,
                }
                rest = &rest[length..];
            } else if let Some((line, length)) = wire::cut(rest) {
                rest = &rest[length..];
                self.pass(line);
            } else {
                return;
            }
        }
    }

    /// The place of a line that was malformed.
    #[cold]
    fn pass(&mut self, line: &[u8]) {
        let Some(seq) = wire::seq(line) else { return };
        match self.sequencer.offer(seq, b"", 0) {
            Offered::Next => {
                self.counts.passed += 1;
                self.drain();
            }
            Offered::Waits => self.keep_within_window(),
            Offered::Duplicate => self.counts.duplicates += 1,
        }
    }

    /// What waited and is next now.
    #[inline]
    fn drain(&mut self) {
        let Self { sequencer, followers, clients, counts, .. } = self;
        while let Some(line) = sequencer.take() {
            match wire::event(line.as_bytes()) {
                Some((event, _)) => route(event, line, followers, clients, counts),
                None => counts.passed += 1,
            }
        }
    }

    #[inline]
    fn keep_within_window(&mut self) {
        while self.sequencer.is_overfull() {
            if self.skip().is_none() {
                return;
            }
        }
    }
}
