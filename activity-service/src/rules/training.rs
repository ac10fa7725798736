//! A programme was finished more than thirty minutes after its start: once,
//! with the whole minutes. One that was cancelled, or never finished, does not
//! count; a start without an end is forgotten when the same programme starts anew.

use std::{collections::HashMap, time::Duration};

use super::{Firing, Rule, Watch, kind};
use crate::{
    duration::duration,
    model::{Event, Instant},
};

const MORE_THAN: Duration = Duration::from_mins(30);
const LONGEST: Duration = Duration::from_hours(24);
const MESSAGE: &str = "Congratulations, you trained {n} minutes today!";
const MICROS_A_MINUTE: i64 = 60_000_000;

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
// Every rule's settings have this name.
#[group(skip)]
pub struct Settings {
    /// A training has to take longer than this.
    #[arg(id = "training-more-than", long = "training-more-than", env = "TRAINING_MORE_THAN",
        default_value = "30 minutes", value_parser = duration)]
    pub more_than: Duration,
    /// One that took longer than this was forgotten, not trained.
    #[arg(id = "training-longest", long = "training-longest", env = "TRAINING_LONGEST",
        default_value = "24 hours", value_parser = duration)]
    pub longest: Duration,
    /// What is said then; `{n}` stands for the whole minutes.
    #[arg(id = "training-message", long = "training-message", env = "TRAINING_MESSAGE",
        default_value = MESSAGE)]
    pub message: String,
}

/// The rule.
struct Training {
    more_than: i64,
    longest: i64,
    message: String,
}

/// Programmes under way.
struct Trainings {
    more_than: i64,
    longest: i64,
    message: String,
    /// When each was started last.
    open: HashMap<String, Instant>,
    firings: Vec<Firing>,
}

pub(super) fn rule(settings: Settings) -> impl Rule {
    Training {
        more_than: settings.more_than.as_secs() as i64,
        longest: settings.longest.as_secs() as i64,
        message: settings.message,
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self { more_than: MORE_THAN, longest: LONGEST, message: MESSAGE.to_owned() }
    }
}

// === impl Training ===

impl Rule for Training {
    fn name(&self) -> &'static str {
        "training"
    }

    fn types(&self) -> &'static [&'static str] {
        &[kind::TRAINING_STARTED, kind::TRAINING_FINISHED, kind::TRAINING_CANCELLED]
    }

    fn reach(&self) -> i64 {
        self.longest
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(Trainings {
            more_than: self.more_than,
            longest: self.longest,
            message: self.message.clone(),
            open: HashMap::new(),
            firings: Vec::new(),
        })
    }
}

// === impl Trainings ===

impl Trainings {
    fn finish(&mut self, programme: String, from: Instant, to: Instant) {
        let long_enough = from.plus(self.more_than) < to && to <= from.plus(self.longest);
        if long_enough {
            let minutes = to.since(from) / MICROS_A_MINUTE;
            let message = self.message.replace("{n}", &minutes.to_string());
            self.firings.push(Firing { about: programme, from, to, due: None, message });
        }
    }
}

impl Watch for Trainings {
    fn see(&mut self, event: &Event) {
        let programme = event.programme();
        if event.kind == kind::TRAINING_STARTED {
            self.open.insert(programme, event.at);
            return;
        }
        let started = self.open.remove(&programme);
        if let Some(from) = started.filter(|_| event.kind == kind::TRAINING_FINISHED) {
            self.finish(programme, from, event.at);
        }
    }

    fn firings(self: Box<Self>) -> Vec<Firing> {
        self.firings
    }
}
