//! What runs on a data directory: which processes live in it, and how to end the server.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::error::PostgresError;

/// The server's own record of itself, first line its process id.
const PID_FILE: &str = "postmaster.pid";

/// The processes that live in `data`: a PostgreSQL server changes into its data directory, and so
/// do its children. A zombie has no working directory and does not count, whatever `kill(pid, 0)`
/// and so `pg_ctl status` say of it.
pub(super) fn residents(data: &Path) -> Vec<i32> {
    match fs::read_dir("/proc") {
        Ok(processes) => processes
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
                let home = fs::read_link(entry.path().join("cwd")).ok()?;
                let program = fs::read_to_string(entry.path().join("comm")).ok()?;
                let server = matches!(program.trim_end(), "postgres" | "postmaster");
                (server && home == data).then_some(pid)
            })
            .collect(),
        // No /proc (macOS): believe the file, there init always reaps.
        Err(_) => recorded(data).filter(|pid| is_process(*pid)).into_iter().collect(),
    }
}

/// Whether the server itself is there; cheap enough to ask every second.
pub(super) fn is_alive(data: &Path) -> bool {
    recorded(data).is_some_and(|pid| {
        if Path::new("/proc/self").exists() {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|home| home == data)
        } else {
            is_process(pid)
        }
    })
}

/// Removes what a server that is gone left behind, so that the next one does not take a zombie or
/// a stranger with the same process id for a living server. Only for a data directory without
/// [`residents`]: with one, the file protects the data from two servers.
pub(super) fn clear_remains(data: &Path, sockets: &Path) -> Result<(), PostgresError> {
    remove(data.join(PID_FILE))?;
    remove(sockets.join(super::SOCKET_FILE))?;
    remove(sockets.join(format!("{}.lock", super::SOCKET_FILE)))
}

/// Tells the server on `data` to end: `Signal::INT` ends it at once but in order, `Signal::QUIT`
/// without tidying up (the next start recovers from the log). Nothing happens when there is none.
pub(super) fn signal(data: &Path, signal: Signal) {
    let living = residents(data);
    let postmaster = recorded(data).filter(|pid| living.contains(pid)).and_then(Pid::from_raw);
    if let Some(postmaster) = postmaster {
        // It may end between the look and the signal; then there is nothing left to do.
        let _ = kill_process(postmaster, signal);
    }
}

/// The process id in the server's record.
pub(super) fn recorded(data: &Path) -> Option<i32> {
    let record = fs::read_to_string(data.join(PID_FILE)).ok()?;
    record.lines().next()?.trim().parse().ok()
}

fn is_process(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

fn remove(path: PathBuf) -> Result<(), PostgresError> {
    match fs::remove_file(&path) {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(PostgresError::file("remove", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command, Stdio};

    /// A program called `name` that runs until its standard input is closed.
    fn idler(name: &str, folder: &Path) -> Child {
        let script = folder.join(name);
        fs::write(&script, "#!/bin/sh\nread line\n").expect("a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("executable");
        let mut command = Command::new(script);
        command.current_dir(folder).stdin(Stdio::piped()).spawn().expect("it starts")
    }

    #[test]
    fn a_server_lives_where_its_working_directory_is_until_it_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = fs::canonicalize(folder.path()).expect("it exists");
        let mut shell = idler("shell", &data);
        assert_eq!(residents(&data), Vec::<i32>::new(), "a shell in the folder is no server");
        let mut server = idler("postgres", &data);
        let pid = i32::try_from(server.id()).expect("small");
        assert_eq!(residents(&data), vec![pid]);
        server.kill().expect("it runs");
        let state = format!("/proc/{pid}/stat");
        while !fs::read_to_string(&state).expect("not reaped yet").contains(") Z ") {
            std::thread::yield_now();
        }
        // Not waited for yet: a zombie, which is what must not count.
        assert_eq!(residents(&data), Vec::<i32>::new());
        server.wait().expect("reaped");
        shell.kill().and_then(|()| shell.wait()).expect("it ran");
    }

    #[test]
    fn remains_are_removed_and_their_absence_is_fine() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
            fs::write(folder.path().join(name), "1\n").expect("a file");
        }
        for _ in 0..2 {
            clear_remains(folder.path(), folder.path()).expect("removed, or gone already");
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        }
    }

    #[test]
    fn a_half_written_record_names_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(PID_FILE), "").expect("a file");
        assert_eq!(recorded(folder.path()), None);
    }
}
