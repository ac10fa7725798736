//! Types of events. A new one needs no line here: a rule names it, in capitals.

/// Somebody opened the app.
pub const APP_LAUNCHED: &str = "APP_LAUNCHED";
/// A training programme began.
pub const TRAINING_STARTED: &str = "TRAINING_PROGRAM_STARTED";
/// It was trained to its end.
pub const TRAINING_FINISHED: &str = "TRAINING_PROGRAM_FINISHED";
/// It was broken off.
pub const TRAINING_CANCELLED: &str = "TRAINING_PROGRAM_CANCELLED";

/// The original name of a type that is not only spelt in another way.
const APP_LAUNCH: &str = "APP_LAUNCH";

/// A type in its one spelling: the names of the improved event.
pub fn normal(sent: &str) -> String {
    let capitals = sent.to_ascii_uppercase();
    if capitals == APP_LAUNCH { APP_LAUNCHED.to_owned() } else { capitals }
}

/// What comes first among events of one instant: the end of one training before
/// the start of the next, a launch before the start that it led to.
pub fn rank(kind: &str) -> i16 {
    match kind {
        TRAINING_CANCELLED => 0,
        TRAINING_FINISHED => 1,
        APP_LAUNCHED => 2,
        TRAINING_STARTED => 3,
        _ => 4,
    }
}
