//! A load on the system, with what it cost in each process.

use std::time::Duration;

use anyhow::Result;

use crate::{
    goal::figure,
    load::{self, Caller, Outcome},
    system::{CpuTimes, System},
    table::Table,
};

/// The same load, over one round or several.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// What was answered.
    pub outcome: Outcome,
    /// What that cost.
    pub cpu: CpuTimes,
}

// === impl Trial ===

impl Trial {
    /// One more round: lets `callers` ask for `time`, and gives them back.
    pub async fn round<C: Caller>(
        &mut self,
        system: &System,
        callers: Vec<C>,
        time: Duration,
    ) -> Result<Vec<C>> {
        let before = system.cpu_times()?;
        let (callers, outcome) = load::run(callers, time).await?;
        self.cpu += system.cpu_times()? - before;
        self.outcome.merge(outcome);
        Ok(callers)
    }

    /// A share of the CPU time for one request, in microseconds.
    pub fn per_request(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.outcome.requests as f64
    }

    /// An empty table for [`Self::add_to`].
    pub fn table(title: &str) -> Table {
        let head =
            ["load", "requests/s", "p50 µs", "p99 µs", "gateway", "calendar", "auth", "PostgreSQL", "load"];
        Table::new(&format!("{title}; CPU in µs a request, by process"), head)
    }

    /// Adds this trial as a row.
    pub fn add_to(&self, table: &mut Table, name: &str) {
        let micros = |percent| figure(self.outcome.latencies.percentile(percent).as_secs_f64() * 1e6);
        let cpu = |cpu| figure(self.per_request(cpu));
        let CpuTimes { gateway, calendar, auth, postgres, load } = self.cpu;
        table.row([
            name.to_owned(),
            figure(self.outcome.rate()),
            micros(50.0),
            micros(99.0),
            cpu(gateway),
            cpu(calendar),
            cpu(auth),
            cpu(postgres),
            cpu(load),
        ]);
    }
}
