//! The app was launched, and no programme was started within ten minutes:
//! once per launch, ten minutes after it.

use std::time::Duration;

use super::{Firing, Rule, Watch, kind};
use crate::{
    duration::duration,
    model::{Event, Instant},
};

const WAIT: Duration = Duration::from_mins(10);
const TOO_OLD: Duration = Duration::from_hours(1);
const MESSAGE: &str = "Time to start your training!";

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
// Every rule's settings have this name.
#[group(skip)]
pub struct Settings {
    /// How long after a launch a programme may start before somebody is reminded.
    #[arg(id = "launch-wait", long = "launch-wait", env = "LAUNCH_WAIT",
        default_value = "10 minutes", value_parser = duration)]
    pub wait: Duration,
    /// Launches older than this when they arrive are recorded only.
    #[arg(id = "launch-too-old", long = "launch-too-old", env = "LAUNCH_TOO_OLD",
        default_value = "1 hour", value_parser = duration)]
    pub too_old: Duration,
    /// What is said then.
    #[arg(id = "launch-message", long = "launch-message", env = "LAUNCH_MESSAGE",
        default_value = MESSAGE)]
    pub message: String,
}

/// The rule.
struct Launch {
    wait: i64,
    too_old: i64,
    message: String,
}

/// Launches that wait for a start.
struct Waiting {
    wait: i64,
    too_old: i64,
    message: String,
    /// In order, each instant once.
    launches: Vec<Instant>,
    /// How many of them nothing can help any more, from the first on.
    settled: usize,
}

pub(super) fn rule(settings: Settings) -> impl Rule {
    Launch {
        wait: settings.wait.as_secs() as i64,
        too_old: settings.too_old.as_secs() as i64,
        message: settings.message,
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self { wait: WAIT, too_old: TOO_OLD, message: MESSAGE.to_owned() }
    }
}

// === impl Launch ===

impl Rule for Launch {
    fn name(&self) -> &'static str {
        "launch"
    }

    fn types(&self) -> &'static [&'static str] {
        &[kind::APP_LAUNCHED, kind::TRAINING_STARTED]
    }

    fn reach(&self) -> i64 {
        self.wait
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(Waiting {
            wait: self.wait,
            too_old: self.too_old,
            message: self.message.clone(),
            launches: Vec::new(),
            settled: 0,
        })
    }
}

// === impl Waiting ===

impl Waiting {
    /// A start helps every launch that it came in time for.
    fn start(&mut self, at: Instant) {
        let in_time = |launch: &Instant| launch.plus(self.wait) >= at;
        let first = self.launches[self.settled..].iter().position(in_time);
        self.settled = first.map_or(self.launches.len(), |place| self.settled + place);
        self.launches.truncate(self.settled);
    }
}

impl Watch for Waiting {
    fn see(&mut self, event: &Event) {
        if event.kind == kind::TRAINING_STARTED {
            self.start(event.at);
        } else if event.at.plus(self.too_old) >= event.received_at && self.launches.last() != Some(&event.at)
        {
            self.launches.push(event.at);
        }
    }

    fn firings(self: Box<Self>) -> Vec<Firing> {
        let firing = |at: &Instant| Firing {
            about: String::new(),
            from: *at,
            to: *at,
            due: Some(at.plus(self.wait)),
            message: self.message.clone(),
        };
        self.launches.iter().map(firing).collect()
    }
}
