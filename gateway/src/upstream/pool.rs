//! The instances of one service: found, watched, chosen from, left alone while
//! they fail.
//!
//! A choice looks at a list that is made anew whenever something changes, and at
//! two of it: what a call costs does not grow with the number of instances.
//! The breaker lies below: an instance that is left alone is not on the list.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use chassis::{lifecycle::Lifecycle, rpc::Targets, tls::Way};
use futures::future::BoxFuture;
use http::uri::Authority;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use super::member::{Health, Member};
use super::{
    balance::{rendezvous, two_of},
    discover::Resolver,
    failfast::FailFast,
    gate::{Stand, Ticket},
    member::Turn,
    policy::Rules,
};

/// From one look at the names to the next.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a call goes to.
pub(crate) trait Place: Send + Sync + Sized + 'static {
    /// Not connected yet.
    fn at(authority: &Authority, way: &Way) -> Self;
    /// Watches how it is, for ever.
    fn watch<'a>(&'a self, report: &'a (dyn Fn(Health) + Send + Sync)) -> BoxFuture<'a, ()>;
    /// Whether it answers now.
    fn answers(&self) -> BoxFuture<'_, bool>;
}

/// The instances of one service. Clones share them.
pub(crate) struct Pool<P>(Arc<Inner<P>>);

struct Inner<P> {
    service: &'static str,
    way: Way,
    rules: Rules,
    members: RwLock<Vec<Watched<P>>>,
    choice: RwLock<Arc<Choice<P>>>,
    failfast: FailFast,
}

/// An instance, and the task that watches it.
type Watched<P> = (Arc<Member<P>>, AbortOnDropHandle<()>);

/// Whom to choose among.
struct Choice<P> {
    /// Those that serve.
    ready: Vec<Arc<Member<P>>>,
    /// Those that wait for somebody to try them.
    to_try: Vec<Arc<Member<P>>>,
}

/// An instance that was chosen, for one call; the call is over when it is dropped.
pub(crate) struct Chosen<P: Place> {
    pool: Weak<Inner<P>>,
    member: Arc<Member<P>>,
    /// Gone once the outcome is known.
    ticket: Option<Ticket>,
    begun: Instant,
}

// === impl Pool ===

impl<P> Clone for Pool<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Place> Pool<P> {
    /// Finds and watches the instances, which are reached on this way; `task` names the loop that looks them
    /// up, on the lifecycle.
    pub(crate) fn start(
        service: &'static str,
        task: &'static str,
        (targets, way): (Targets, Way),
        rules: Rules,
        lifecycle: &Lifecycle,
    ) -> Self {
        let this = Self(Arc::new(Inner {
            service,
            way,
            rules,
            members: RwLock::default(),
            choice: RwLock::new(Arc::new(Choice { ready: Vec::new(), to_try: Vec::new() })),
            failfast: FailFast::new(Instant::now()),
        }));
        let resolver = Resolver::new(targets.clone());
        this.0.replace(&resolver.fixed());
        let (inner, until) = (Arc::downgrade(&this.0), lifecycle.clone());
        lifecycle.supervise(task, move || find(inner.clone(), Resolver::new(targets.clone()), until.clone()));
        this
    }

    /// The less busy of two that are ready, but rather not `avoid`. `tries`: the
    /// call may go to one that failed lately, to see whether it works again.
    pub(crate) fn choose(&self, tries: bool, avoid: Option<&Authority>) -> Option<Chosen<P>> {
        let choice = self.0.choice();
        let probe = |choice: &Choice<P>| choice.to_try.iter().find_map(|member| self.admit(member));
        if tries && let Some(chosen) = probe(&choice) {
            return Some(chosen);
        }
        let ready = &choice.ready;
        if let Some((one, other)) = two_of(ready.len(), &mut rand::rng()) {
            let (one, other) = (&ready[one], &ready[other]);
            let busier = one.pending() > other.pending() || avoid == Some(one.authority());
            let (first, second) =
                if busier && avoid != Some(other.authority()) { (other, one) } else { (one, other) };
            // The list may be older than what became of somebody on it.
            let chosen = self.admit(first).or_else(|| self.admit(second));
            if let Some(chosen) = chosen.or_else(|| ready.iter().find_map(|member| self.admit(member))) {
                return Some(chosen);
            }
        }
        probe(&choice)
    }

    /// Always the same one for a key, while the same ones are ready.
    pub(crate) fn choose_for(&self, key: &str) -> Option<Chosen<P>> {
        let choice = self.0.choice();
        let names = choice.ready.iter().map(|member| member.authority().as_str());
        self.admit(&choice.ready[rendezvous(key, names)?])
    }

    /// Waits for somebody to be ready, as long as that is worth it.
    pub(crate) async fn ready(&self, deadline: Instant) -> bool {
        self.0.failfast.ready(deadline).await
    }

    /// How many are ready.
    pub(crate) fn count_ready(&self) -> usize {
        self.0.choice().ready.len()
    }

    /// Every instance, ready or not.
    pub(crate) fn members(&self) -> Vec<Arc<Member<P>>> {
        let members = self.0.members.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().map(|(member, _)| Arc::clone(member)).collect()
    }

    fn admit(&self, member: &Arc<Member<P>>) -> Option<Chosen<P>> {
        let ticket = member.admit()?;
        let (pool, member) = (Arc::downgrade(&self.0), Arc::clone(member));
        Some(Chosen { pool, member, ticket: Some(ticket), begun: Instant::now() })
    }
}

impl<P> fmt::Debug for Pool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("service", &self.0.service).finish_non_exhaustive()
    }
}

/// Looks the names up again and again, and begins each watch anew that has ended.
async fn find<P: Place>(pool: Weak<Inner<P>>, mut resolver: Resolver, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        let found = resolver.look().await;
        let Some(pool) = pool.upgrade() else { return };
        pool.replace(&found);
        drop(pool);
        tokio::select! { () = sleep(LOOK_EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

// === impl Inner ===

impl<P> Inner<P> {
    fn choice(&self) -> Arc<Choice<P>> {
        Arc::clone(&self.choice.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the list anew.
    fn refresh(&self) {
        // Held to the end: the last list is made of the last state.
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let mut choice = self.choice.write().unwrap_or_else(PoisonError::into_inner);
        let all = || members.iter().map(|(member, _)| member);
        let with = |health: Health| {
            let these = all().filter(|member| member.stand() == Stand::Closed && member.health() == health);
            these.cloned().collect::<Vec<_>>()
        };
        let mut ready = with(Health::Serving);
        if ready.is_empty() {
            // They answer, and can say themselves what they lack.
            ready = with(Health::NotServing);
        }
        let to_try = all().filter(|member| member.stand() == Stand::HalfOpen).cloned().collect::<Vec<_>>();
        self.failfast.set(!ready.is_empty() || !to_try.is_empty(), Instant::now());
        *choice = Arc::new(Choice { ready, to_try });
    }
}

impl<P: Place> Inner<P> {
    /// These are the instances now: who stays keeps what is known of it.
    fn replace(self: &Arc<Self>, found: &[Authority]) {
        {
            let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
            members.retain(|(member, watching)| {
                // A watch does not end but by a panic: then it is begun anew.
                found.contains(member.authority()) && !watching.is_finished()
            });
            for authority in found {
                if members.iter().all(|(member, _)| member.authority() != authority) {
                    let place = P::at(authority, &self.way);
                    let member = Arc::new(Member::new(self.service, authority.clone(), place, self.rules));
                    let watching = tokio::spawn(watch(Arc::downgrade(self), Arc::clone(&member)));
                    members.push((member, AbortOnDropHandle::new(watching)));
                }
            }
        }
        self.refresh();
    }

    /// An instance is left alone: in time somebody may try it, once it answers.
    fn leave_alone(self: &Arc<Self>, member: Arc<Member<P>>, mut wait: Duration) {
        self.refresh();
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                sleep(wait).await;
                // A client's call is not what to find out with that nobody answers.
                let answers = member.place().answers().await;
                let Some(pool) = pool.upgrade() else { return };
                if answers {
                    member.try_again();
                    return pool.refresh();
                }
                wait = member.still_away();
                let members = pool.members.read().unwrap_or_else(PoisonError::into_inner);
                if members.iter().all(|(other, _)| !Arc::ptr_eq(other, &member)) {
                    return;
                }
            }
        });
    }
}

async fn watch<P: Place>(pool: Weak<Inner<P>>, member: Arc<Member<P>>) {
    let report = |health| {
        member.set_health(health);
        if let Some(pool) = pool.upgrade() {
            pool.refresh();
        }
    };
    member.place().watch(&report).await;
}

// === impl Chosen ===

impl<P: Place> Chosen<P> {
    /// Which one.
    pub(crate) fn member(&self) -> &Member<P> {
        &self.member
    }

    /// The call went well, as far as the instance is concerned.
    pub(crate) fn succeeded(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        if self.member.succeed(ticket) == Turn::Closed
            && let Some(pool) = self.pool.upgrade()
        {
            pool.refresh();
        }
    }

    /// The call went wrong, by the instance or on the way to it.
    pub(crate) fn failed(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        if let Turn::Opened(wait) = self.member.fail(ticket, self.begun)
            && let Some(pool) = self.pool.upgrade()
        {
            pool.leave_alone(Arc::clone(&self.member), wait);
        }
    }
}

impl<P: Place> Drop for Chosen<P> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.member.forgo(ticket);
        }
        self.member.leave();
    }
}

#[cfg(test)]
mod tests;
