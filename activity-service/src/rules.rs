//! What events mean: one file a rule, and one list of them.
//!
//! A rule watches the events of one device in order of event time, and says
//! what should be told ([`Firing`]). It is asked anew whenever something new
//! arrives, over all kept events that matter, so that it needs no memory and
//! cannot be confused by what is late, repeated or out of order: what it says
//! is compared with what it said before ([`mod@reconcile`]). docs/RULES.md shows how
//! to add one.

mod firing;
pub mod kind;
mod launch;
mod observation;
mod reconcile;
mod training;

use std::sync::Arc;

pub use self::{
    firing::{Firing, Known, Standing},
    observation::{Observation, Span, Wanted},
    reconcile::{Plan, reconcile},
};
use crate::model::Event;

/// Declares the list: a line a rule.
macro_rules! rules {
    ($($module:ident,)+) => {
        /// What an operator sets about the rules.
        #[derive(Clone, Debug, Default, clap::Args)]
        pub struct RuleSettings {
            $(
                #[expect(missing_docs, reason = "the rule's own file says what it is")]
                #[command(flatten)]
                pub $module: $module::Settings,
            )+
        }

        impl RuleSettings {
            /// The list.
            pub fn list(self) -> Vec<Arc<dyn Rule>> {
                vec![$(Arc::new($module::rule(self.$module)),)+]
            }
        }
    };
}

rules! {
    launch,
    training,
}

/// What some events of a device mean together.
pub trait Rule: Send + Sync + 'static {
    /// Its name in the database and in metrics; never changed.
    fn name(&self) -> &'static str;
    /// The types of events that it looks at; see [`kind`].
    fn types(&self) -> &'static [&'static str];
    /// Seconds. Whether a firing is due, and what it says, depends on events
    /// from its start ([`Firing::from`]) to this long after that, and on no others.
    fn reach(&self) -> i64;
    /// Begins to watch a device.
    fn watch(&self) -> Box<dyn Watch>;
}

/// A rule at work on one device.
pub trait Watch: Send {
    /// The next event, in order of event time.
    fn see(&mut self, event: &Event);
    /// What should be told, when all events were seen.
    fn firings(self: Box<Self>) -> Vec<Firing>;
}

/// The rules of a process. Clones share them.
#[derive(Clone)]
pub struct Rules {
    list: Arc<[Arc<dyn Rule>]>,
    types: Arc<[String]>,
}

// === impl RuleSettings ===

impl RuleSettings {
    /// The rules with these settings.
    pub fn rules(self) -> Rules {
        Rules::new(self.list())
    }
}

// === impl Rules ===

impl Rules {
    /// The rules of this list.
    pub fn new(list: Vec<Arc<dyn Rule>>) -> Self {
        let mut types: Vec<_> =
            list.iter().flat_map(|rule| rule.types()).map(|kind| (*kind).to_owned()).collect();
        types.sort_unstable();
        types.dedup();
        Self { list: list.into(), types: types.into() }
    }

    /// Each rule.
    pub fn each(&self) -> impl Iterator<Item = &dyn Rule> {
        self.list.iter().map(AsRef::as_ref)
    }

    /// The types of events that some rule looks at.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// Whether some rule looks at events of this type.
    pub fn knows(&self, kind: &str) -> bool {
        self.types.binary_search_by(|known| known.as_str().cmp(kind)).is_ok()
    }

    /// A type that some rule knows in its one spelling; others as they are.
    pub fn spell(&self, sent: &str) -> String {
        let normal = kind::normal(sent);
        if self.knows(&normal) { normal } else { sent.to_owned() }
    }

    /// The longest reach of any rule, in seconds.
    pub fn reach(&self) -> i64 {
        self.each().map(Rule::reach).max().unwrap_or(0)
    }
}
