//! One instance of a service, as the balancer sees it: whether it may be
//! called, how busy it is, what became of the calls.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::uri::Authority;
use tokio::time::Instant;

use super::{
    gate::{Gate, Stand, Ticket},
    policy::{Policy, Rules},
};
use crate::metrics::EndpointMeters;

/// What an instance says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Health {
    /// It is being asked.
    Unknown = 0,
    /// It serves.
    Serving = 1,
    /// It answers that it cannot serve.
    NotServing = 2,
    /// It does not answer.
    Unreachable = 3,
}

/// One instance of a service.
#[derive(Debug)]
pub(crate) struct Member<P> {
    authority: Authority,
    place: P,
    gate: Gate,
    policy: Mutex<Policy>,
    /// The policy has something to forget at the next success.
    failing: AtomicBool,
    health: AtomicU8,
    /// Calls under way.
    pending: AtomicUsize,
    meters: EndpointMeters,
}

/// What an outcome came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing changes.
    None,
    /// It is not called for so long.
    Opened(Duration),
    /// It is called as the others are.
    Closed,
}

// === impl Member ===

impl<P> Member<P> {
    /// Nothing is known of it.
    pub(super) fn new(service: &'static str, authority: Authority, place: P, rules: Rules) -> Self {
        let meters = EndpointMeters::new(service, authority.as_str());
        let this = Self {
            authority,
            place,
            gate: Gate::new(),
            policy: Mutex::new(Policy::new(rules)),
            failing: AtomicBool::new(false),
            health: AtomicU8::new(Health::Unknown as u8),
            pending: AtomicUsize::new(0),
            meters,
        };
        this.show();
        this
    }

    /// Where it is.
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What is called.
    pub(crate) const fn place(&self) -> &P {
        &self.place
    }

    /// Its figures.
    pub(crate) const fn meters(&self) -> &EndpointMeters {
        &self.meters
    }

    pub(super) fn stand(&self) -> Stand {
        self.gate.stand()
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Acquire) {
            0 => Health::Unknown,
            1 => Health::Serving,
            2 => Health::NotServing,
            _ => Health::Unreachable,
        }
    }

    pub(super) fn set_health(&self, health: Health) {
        let before = self.health.swap(health as u8, Ordering::AcqRel);
        if before != health as u8 {
            tracing::info!(instance = %self.authority, ?health, "an instance's health");
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// A call begins, if it may.
    pub(super) fn admit(&self) -> Option<Ticket> {
        let ticket = self.gate.admit()?;
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.meters.pending.increment(1);
        Some(ticket)
    }

    /// A call is over, whatever became of it.
    pub(super) fn leave(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        self.meters.pending.decrement(1);
    }

    /// A call that was let in says nothing about the instance.
    pub(super) fn forgo(&self, ticket: Ticket) {
        self.gate.give_back(ticket);
    }

    /// A call went well.
    pub(super) fn succeed(&self, ticket: Ticket) -> Turn {
        if self.gate.close(ticket) {
            self.policy().recovered();
            self.failing.store(false, Ordering::Release);
            self.show();
            tracing::info!(instance = %self.authority, "an instance works again");
            return Turn::Closed;
        }
        if self.failing.load(Ordering::Acquire) && self.gate.is_current(ticket) {
            self.policy().success();
            self.failing.store(false, Ordering::Release);
        }
        Turn::None
    }

    /// A call that began then went wrong.
    pub(super) fn fail(&self, ticket: Ticket, begun: Instant) -> Turn {
        self.meters.failures.increment(1);
        if !self.gate.is_current(ticket) {
            return Turn::None;
        }
        let mut policy = self.policy();
        self.failing.store(true, Ordering::Release);
        let enough = policy.failure(begun, Instant::now()) || ticket.is_probe();
        if !enough || !self.gate.open(ticket) {
            return Turn::None;
        }
        let wait = policy.wait(rand::random());
        drop(policy);
        self.show();
        tracing::warn!(instance = %self.authority, ?wait, "an instance fails, and is left alone");
        Turn::Opened(wait)
    }

    /// It was asked, and does not answer: how much longer it is left alone.
    pub(super) fn still_away(&self) -> Duration {
        self.policy().wait(rand::random())
    }

    /// One call at a time may try it.
    pub(super) fn try_again(&self) {
        if self.gate.half_open() {
            self.show();
        }
    }

    fn policy(&self) -> MutexGuard<'_, Policy> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self) {
        let stand = self.gate.stand();
        for (each, gauge) in Stand::ALL.into_iter().zip(&self.meters.states) {
            gauge.set(if each == stand { 1.0 } else { 0.0 });
        }
    }
}

impl<P> Drop for Member<P> {
    /// An instance that is gone has no state.
    fn drop(&mut self) {
        for gauge in &self.meters.states {
            gauge.set(0.0);
        }
    }
}
