//! Finding the PostgreSQL server programs that the machine has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::PostgresError;

/// The oldest major version whose SQL we rely on.
pub(super) const OLDEST_MAJOR: u32 = 15;

/// Where distributions put the server programs; `*` stands for the version part of one folder name.
const USUAL_PLACES: [&str; 10] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/libexec/postgresql*",
    "/usr/pgsql-*/bin",
    "/usr/lib64/pgsql/bin",
    "/usr/local/pgsql/bin",
    "/usr/lib/postgresql*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/usr/bin",
];

/// The package managers we can name a command for: the program that gives it away, and the command.
const INSTALL_HINTS: [(&str, &str); 6] = [
    ("apt-get", "apt-get install postgresql"),
    ("dnf", "dnf install postgresql-server"),
    ("apk", "apk add postgresql"),
    ("pacman", "pacman -S postgresql"),
    ("zypper", "zypper install postgresql-server"),
    ("brew", "brew install postgresql@17"),
];

/// A directory with `initdb` and `postgres` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The directory.
    pub directory: PathBuf,
    /// The major version of `postgres` in it.
    pub major: u32,
}

impl Programs {
    /// The programs to use: those of `wanted` (the major version that wrote the data) where it is
    /// given, else the newest. With `chosen` only that directory is looked at.
    pub fn find(chosen: Option<&Path>, wanted: Option<(u32, &Path)>) -> Result<Self, PostgresError> {
        let found = match chosen {
            Some(directory) => Self::probe(directory).into_iter().collect(),
            None => installed(),
        };
        pick(found, wanted)
    }

    /// The path of one program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }

    /// What `directory` holds, when it holds a whole server.
    fn probe(directory: &Path) -> Option<Self> {
        // A folder on PATH may hold links; the server finds its share files beside the real program.
        let postgres = fs::canonicalize(directory.join("postgres")).ok()?;
        let directory = postgres.parent()?.to_path_buf();
        if !directory.join("initdb").is_file() {
            return None;
        }
        let answer = Command::new(&postgres).arg("--version").output().ok()?;
        let major = parse_major(&String::from_utf8_lossy(&answer.stdout))?;
        Some(Self { directory, major })
    }
}

/// The command that installs a server on this machine, for people.
pub(super) fn install_hint() -> String {
    let on_path = |program: &str| search_path().any(|folder| folder.join(program).is_file());
    INSTALL_HINTS
        .iter()
        .find(|(program, _)| on_path(program))
        .map_or_else(|| "install the PostgreSQL server".to_owned(), |(_, command)| format!("run `{command}`"))
}

/// Every server on the machine, newest first.
fn installed() -> Vec<Programs> {
    let mut found: Vec<Programs> = search_path()
        .chain(USUAL_PLACES.into_iter().flat_map(expand))
        .filter_map(|directory| Programs::probe(&directory))
        .collect();
    found.sort_by_key(|programs| std::cmp::Reverse(programs.major));
    found.dedup();
    found
}

/// Chooses among what was found.
fn pick(found: Vec<Programs>, wanted: Option<(u32, &Path)>) -> Result<Programs, PostgresError> {
    let majors: Vec<String> = found.iter().map(|p| p.major.to_string()).collect();
    let newest = found.iter().map(|programs| programs.major).max();
    let Some(newest) = newest else {
        return Err(PostgresError::NoPrograms { hint: install_hint() });
    };
    let major = wanted.map_or(newest, |(major, _)| major);
    match (found.into_iter().find(|p| p.major == major), wanted) {
        (None, Some((wanted, data))) => {
            Err(PostgresError::OtherMajor { data: data.to_path_buf(), wanted, found: majors.join(", ") })
        }
        (Some(programs), _) if programs.major >= OLDEST_MAJOR => Ok(programs),
        (Some(_) | None, _) => Err(PostgresError::TooOld { found: newest, oldest: OLDEST_MAJOR }),
    }
}

/// The folders of `PATH`.
fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// The existing folders that a pattern with at most one `*` names.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| PathBuf::from(format!("{}{after}", entry.path().display())))
        .collect()
}

/// The major version in `postgres (PostgreSQL) 15.8 (Debian …)` or `… 18beta1`.
fn parse_major(answer: &str) -> Option<u32> {
    let version = answer.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(major: u32) -> Programs {
        Programs { directory: PathBuf::from(format!("/pg/{major}")), major }
    }

    #[test]
    fn reads_the_major_version_of_releases_and_betas() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("psql: not found"), None);
    }

    #[test]
    fn takes_the_newest_for_new_data_and_the_same_major_for_old() {
        let found = || vec![programs(17), programs(15)];
        let data = Path::new("/data");
        assert_eq!(pick(found(), None).expect("there are two").major, 17);
        assert_eq!(pick(found(), Some((15, data))).expect("it is there").major, 15);
        let refused = pick(found(), Some((16, data))).expect_err("16 is not there").to_string();
        assert!(refused.contains("PostgreSQL 16") && refused.contains("17, 15"), "{refused}");
    }

    #[test]
    fn says_what_to_do_when_there_is_nothing() {
        let refused = pick(Vec::new(), None).expect_err("nothing was found").to_string();
        assert!(refused.contains("AUTH_DATABASE_URL"), "{refused}");
        assert!(!refused.contains('\n'), "one line: {refused}");
        assert!(matches!(pick(vec![programs(9)], None), Err(PostgresError::TooOld { found: 9, .. })));
    }

    #[test]
    fn expands_one_star() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("pgsql-16/bin")).expect("a folder in it");
        let pattern = format!("{}/pgsql-*/bin", folder.path().display());
        assert_eq!(expand(&pattern), vec![folder.path().join("pgsql-16/bin")]);
    }
}
