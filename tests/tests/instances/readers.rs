//! People who read as fast as they are answered, and what it tells of the instances behind the gateway.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use futures::future::{join_all, try_join_all};
use system_tests::{fleet::Fleet, instance::Instance, person::Person, wait::until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// At once, of each kind.
const READERS: usize = 4;
/// What they read, and the call that it is to auth-service or calendar-service. Nobody else reads these.
const READS: [(&str, &str); 2] = [
    ("/user/sessions", "auth.v1.AuthService/ListSessions"),
    ("/calendar/calendars", "calendar.v1.CalendarService/ListCalendars"),
];

/// Readers until they are told to end.
pub(super) struct Readers<'a> {
    fleet: &'a Fleet,
    statuses: Arc<Mutex<BTreeMap<u16, usize>>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    before: Counts,
}

/// What became of their reads.
#[derive(Debug)]
pub(super) struct Reading {
    /// By status; 0: no answer at all.
    statuses: BTreeMap<u16, usize>,
    counted: Counts,
}

/// What the programs count.
#[derive(Clone, Copy, Debug)]
struct Counts {
    /// Of the reads, by instances that are well.
    by_others: f64,
    /// Second tries of whatever calls.
    retries: f64,
}

// === impl Readers ===

impl<'a> Readers<'a> {
    /// This person, several times over.
    pub(super) async fn start(fleet: &'a Fleet, person: &Person) -> Result<Self> {
        let before = Counts::of(fleet).await?;
        let (statuses, stop) = (Arc::<Mutex<BTreeMap<u16, usize>>>::default(), CancellationToken::new());
        let reader = |path: &'static str| {
            let (person, statuses, stop) = (person.clone(), Arc::clone(&statuses), stop.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let status = person.get(path).await.map_or(0, |answer| answer.status);
                    *statuses.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
                }
            })
        };
        let tasks = (0..READERS).flat_map(|_| READS).map(|(path, _)| reader(path)).collect();
        Ok(Self { fleet, statuses, stop, tasks, before })
    }

    /// Waits for so many more answers.
    pub(super) async fn more(&self, answers: usize) -> Result<()> {
        let enough = self.asked() + answers;
        until("answers", async || (self.asked() >= enough).then_some(())).await
    }

    fn asked(&self) -> usize {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Ends them.
    pub(super) async fn stop(self) -> Result<Reading> {
        self.stop.cancel();
        for ended in join_all(self.tasks).await {
            ended?;
        }
        let now = Counts::of(self.fleet).await?;
        let statuses = std::mem::take(&mut *self.statuses.lock().unwrap_or_else(PoisonError::into_inner));
        let counted = Counts {
            by_others: now.by_others - self.before.by_others,
            retries: now.retries - self.before.retries,
        };
        Ok(Reading { statuses, counted })
    }
}

// === impl Reading ===

impl Reading {
    /// PROMISES, "one instance slow or cut off": everybody is answered, an instance that does badly has at most 15 %
    /// of the calls, and the others hear no storm.
    pub(super) fn must_be_undisturbed(&self) -> Result<()> {
        let asked: usize = self.statuses.values().sum();
        let Counts { by_others, retries } = self.counted;
        ensure!(self.statuses.keys().eq(&[200]), "not everybody was answered: {self:?}");
        ensure!(by_others >= 0.85 * asked as f64, "the others had {by_others} of {asked}: {self:?}");
        ensure!(retries <= 0.2 * asked as f64, "{retries} second tries of {asked}: {self:?}");
        Ok(())
    }

    /// Everybody was answered.
    pub(super) fn must_be_answered(&self) -> Result<()> {
        ensure!(self.statuses.keys().eq(&[200]), "not everybody was answered: {self:?}");
        Ok(())
    }
}

// === impl Counts ===

impl Counts {
    async fn of(fleet: &Fleet) -> Result<Self> {
        let retries = fleet.gateways().iter().map(|it| it.metric("gateway_upstream_retries_total"));
        let retries = try_join_all(retries).await?.iter().sum();
        let by_others = reads(fleet.others()).await?;
        Ok(Self { by_others, retries })
    }
}

/// How many of the reads each of these has answered, all together.
pub(super) async fn reads(instances: impl Iterator<Item = &Instance>) -> Result<f64> {
    let counts = instances.map(async |instance| {
        let mut answered = 0.0;
        for (_, method) in READS {
            let label = format!("method=\"{method}\"");
            answered += instance.metric_of("grpc_server_handled_total", &label).await?;
        }
        anyhow::Ok(answered)
    });
    Ok(try_join_all(counts).await?.iter().sum())
}
