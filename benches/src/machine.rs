//! The machine that the figures belong to.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// One line about the processor, for the head of every report.
pub fn describe() -> String {
    let cores = cores();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, name)| name);
    format!("{cores} cores, {model}")
}

/// Raises this process's limit of open files as far as it may, for itself and
/// for the processes that it starts. Answers the limit.
pub fn raise_descriptors() -> u64 {
    const WANTED: u64 = 65_536;
    let now = getrlimit(Resource::Nofile);
    // The hard limit may be raised by root alone, and not by every root.
    let raised = Rlimit { current: Some(WANTED), maximum: Some(now.maximum.unwrap_or(WANTED).max(WANTED)) };
    if setrlimit(Resource::Nofile, raised).is_err() {
        let hard = Rlimit { current: now.maximum, maximum: now.maximum };
        // The old limit stays then, and is what is answered.
        let _ = setrlimit(Resource::Nofile, hard);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
