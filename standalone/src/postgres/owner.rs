//! Who runs the server: ourselves, or for root an account that PostgreSQL accepts.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use rustix::process::geteuid;
use tokio::process::Command;

use super::error::PostgresError;

/// The accounts that root hands the server to, in order.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// The account that owns the data and runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The account of this process.
    Ourselves {
        /// Its user id.
        uid: u32,
    },
    /// We are root, and this account does it for us.
    StandIn(Account),
}

/// One line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
}

impl Owner {
    /// Who is to run the server on `data`: root steps aside for whoever owns existing data, else for
    /// `postgres`, else for `nobody`; anybody else runs it as themselves and must own the data.
    pub fn of(data: &Path) -> Result<Self, PostgresError> {
        let existing = fs::metadata(data).ok().map(|found| found.uid());
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ours = geteuid().as_raw();
        decide(ours, existing, &accounts(&passwd)).map_err(|refusal| match refusal {
            Refusal::Foreign(owner) => PostgresError::ForeignData { path: data.to_path_buf(), owner, ours },
            Refusal::Nobody => PostgresError::NoOwner,
            Refusal::NoAccount(uid) => PostgresError::NoAccount { uid },
        })
    }

    /// The user id that the server runs under.
    pub fn uid(&self) -> u32 {
        match self {
            Self::Ourselves { uid } => *uid,
            Self::StandIn(account) => account.uid,
        }
    }

    /// A command for a server program: as the owner, in a process group of its own (Ctrl-C in the
    /// terminal is for us alone), and with nothing of our environment, whose `PG…` and `LC_…`
    /// variables would change what the programs do.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir("/").process_group(0);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Self::StandIn(account) = self {
            // std drops the supplementary groups of root together with the user id.
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Makes `directory` the owner's.
    pub fn adopt(&self, directory: &Path) -> Result<(), PostgresError> {
        if let Self::StandIn(account) = self {
            chown(directory, Some(account.uid), Some(account.gid))
                .map_err(PostgresError::file("change the owner of", directory))?;
        }
        Ok(())
    }

    /// Refuses a place that the owner could not reach: one below a folder closed to them.
    pub fn check_way_to(&self, directory: &Path) -> Result<(), PostgresError> {
        let Self::StandIn(account) = self else {
            return Ok(());
        };
        for folder in directory.ancestors() {
            let found = fs::metadata(folder).map_err(PostgresError::file("look at", folder))?;
            if !may_enter(account, found.uid(), found.gid(), found.mode()) {
                return Err(PostgresError::ClosedParent {
                    user: account.name.clone(),
                    path: folder.to_path_buf(),
                });
            }
        }
        Ok(())
    }
}

/// Why nobody can run the server.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Foreign(u32),
    Nobody,
    NoAccount(u32),
}

/// The choice of [`Owner::of`] without a file system.
fn decide(ours: u32, existing: Option<u32>, accounts: &[Account]) -> Result<Owner, Refusal> {
    let by_uid = |uid| accounts.iter().find(|account| account.uid == uid).cloned();
    if ours != 0 {
        return match existing {
            Some(owner) if owner != ours => Err(Refusal::Foreign(owner)),
            _ => Ok(Owner::Ourselves { uid: ours }),
        };
    }
    match existing {
        Some(0) => Err(Refusal::Foreign(0)),
        Some(owner) => by_uid(owner).map(Owner::StandIn).ok_or(Refusal::NoAccount(owner)),
        None => STAND_INS
            .iter()
            .find_map(|name| accounts.iter().find(|account| account.name == *name))
            .map(|account| Owner::StandIn(account.clone()))
            .ok_or(Refusal::Nobody),
    }
}

/// Whether the permission bits let the account pass through a folder.
fn may_enter(account: &Account, uid: u32, gid: u32, mode: u32) -> bool {
    let execute = if uid == account.uid {
        0o100
    } else if gid == account.gid {
        0o010
    } else {
        0o001
    };
    mode & execute != 0
}

/// The well-formed lines of a passwd file.
fn accounts(passwd: &str) -> Vec<Account> {
    passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name, uid, gid })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        broken line\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    fn name_of(owner: Owner) -> String {
        match owner {
            Owner::StandIn(account) => account.name,
            Owner::Ourselves { uid } => uid.to_string(),
        }
    }

    #[test]
    fn root_steps_aside_for_postgres_then_nobody_then_gives_up() {
        let all = accounts(PASSWD);
        assert_eq!(name_of(decide(0, None, &all).expect("postgres is there")), "postgres");
        let without: Vec<_> = all.into_iter().filter(|a| a.name != "postgres").collect();
        assert_eq!(name_of(decide(0, None, &without).expect("nobody is there")), "nobody");
        assert_eq!(decide(0, None, &[]), Err(Refusal::Nobody));
    }

    #[test]
    fn existing_data_decide_who_runs_the_server() {
        let all = accounts(PASSWD);
        assert_eq!(name_of(decide(0, Some(65534), &all).expect("an account")), "nobody");
        assert_eq!(decide(0, Some(7777), &all), Err(Refusal::NoAccount(7777)));
        assert_eq!(decide(0, Some(0), &all), Err(Refusal::Foreign(0)));
        assert_eq!(decide(1000, Some(101), &all), Err(Refusal::Foreign(101)));
        assert_eq!(decide(1000, Some(1000), &all), Ok(Owner::Ourselves { uid: 1000 }));
    }

    #[test]
    fn permission_bits_are_read_as_the_kernel_reads_them() {
        let account = Account { name: "postgres".into(), uid: 101, gid: 104 };
        assert!(!may_enter(&account, 0, 0, 0o40700), "somebody else's closed home");
        assert!(may_enter(&account, 0, 0, 0o40711));
        assert!(may_enter(&account, 0, 104, 0o40710));
        assert!(!may_enter(&account, 101, 104, 0o40077), "the owner's own bits come first");
    }
}
