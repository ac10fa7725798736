//! What a process has spent and what it holds, from `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use rustix::param::clock_ticks_per_second;

/// A running process, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

/// The times of `/proc/PID/stat`, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    own: u64,
    /// Of children that have ended and were waited for.
    children: u64,
}

// === impl Process ===

impl Process {
    /// The process with this id.
    pub const fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// Its id.
    pub const fn id(self) -> u32 {
        self.0
    }

    /// The one that asks.
    pub fn current() -> Self {
        Self(std::process::id())
    }

    /// CPU time of all its threads, user and system, exact to a tick (10 ms).
    pub fn cpu_time(self) -> Result<Duration> {
        Ok(duration(self.ticks()?.own))
    }

    /// CPU time of the process, of its living children and of those that ended:
    /// a PostgreSQL server is a postmaster and its backends.
    pub fn family_cpu_time(self) -> Result<Duration> {
        let own = self.ticks()?;
        let mut sum = own.own + own.children;
        for child in self.children()? {
            // One that ends just now is counted with its parent at the next look.
            if let Ok(ticks) = child.ticks() {
                sum += ticks.own + ticks.children;
            }
        }
        Ok(duration(sum))
    }

    /// Bytes in memory, shared pages divided among those who share them.
    pub fn memory(self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.0);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss line")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("Pss is not a number")?;
        Ok(kilobytes * 1024)
    }

    /// The most bytes that it ever had in memory, shared pages counted in full.
    pub fn peak_memory(self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.0);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM line")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("VmHWM is not a number")?;
        Ok(kilobytes * 1024)
    }

    fn children(self) -> Result<Vec<Self>> {
        let path = format!("/proc/{0}/task/{0}/children", self.0);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        text.split_whitespace().map(|pid| Ok(Self(pid.parse()?))).collect()
    }

    fn ticks(self) -> Result<Ticks> {
        let path = format!("/proc/{}/stat", self.0);
        parse_ticks(&fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?)
    }
}

fn parse_ticks(stat: &str) -> Result<Ticks> {
    // The second field is the program's name in brackets; it may hold anything.
    let Some((_, fields)) = stat.rsplit_once(") ") else { bail!("no program name in {stat}") };
    let fields: Vec<&str> = fields.split(' ').collect();
    // proc(5) counts from 1 and the first field here is its third: utime is 14.
    let number =
        |field: usize| -> Result<u64> { Ok(fields.get(field - 3).context("too few fields")?.parse()?) };
    Ok(Ticks { own: number(14)? + number(15)?, children: number(16)? + number(17)? })
}

fn duration(ticks: u64) -> Duration {
    Duration::from_secs(ticks) / clock_ticks_per_second() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 0 0 0 0 0 100 20 3 4 20 0 1 0";
        assert_eq!(parse_ticks(stat).expect("well formed"), Ticks { own: 120, children: 7 });
        assert!(parse_ticks("7 (a) S 1").is_err());
    }

    #[test]
    fn work_shows_as_cpu_time() {
        let before = Process::current().cpu_time().expect("readable");
        let mut sum = 0_u64;
        while Process::current().cpu_time().expect("readable") < before + Duration::from_millis(50) {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        assert!(std::hint::black_box(sum) != 0);
        assert!(Process::current().memory().expect("readable") > 0);
    }
}
