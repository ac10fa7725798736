//! What a person sees when everything runs: where, and what to try.
//!
//! It goes to stderr: stdout carries the JSON log and nothing else.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use activity_service::relay::RelayAddresses;

/// Where a running product is to be found.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// How this program was called.
    pub program: String,
    /// The public listener.
    pub gateway: SocketAddr,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// Where event sources and user clients of the relay connect.
    pub relay: RelayAddresses,
    /// The operator's listener.
    pub admin: SocketAddr,
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// The socket folder of the embedded PostgreSQL, when there is one.
    pub postgres: Option<PathBuf>,
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, gateway, tls, relay, admin, data_dir, postgres } = self;
        let http = if *tls { "https" } else { "http" };
        let json = "-H 'content-type: application/json'";
        writeln!(f, "Shared Calendar is running. Ctrl-C stops it.\n")?;
        writeln!(
            f,
            "  for everybody   {http}://{gateway}        (try every route: {http}://{gateway}/docs)"
        )?;
        if let (Some(sources), Some(clients)) = relay {
            writeln!(f, "  the relay       events to {sources}, user clients at {clients}")?;
        }
        writeln!(f, "  for operators   http://{admin}/readyz   (and /healthz, /metrics)")?;
        write!(f, "  data            {}", data_dir.display())?;
        match postgres {
            Some(folder) => writeln!(f, "   (psql -h {} -U calendar calendar)", folder.display())?,
            None => writeln!(f)?,
        }
        writeln!(f, "\nIn another terminal:\n")?;
        let person = r#"{"username":"ann","password":"correct horse"}"#;
        writeln!(f, "  curl -s {http}://{gateway}/user/register {json} -d '{person}'")?;
        writeln!(f, "  curl -s {http}://{gateway}/user/login {json} -d '{person}'")?;
        write!(f, "  TOKEN=… {program} room --calendar NAME --password PASSWORD")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_and_what_to_try() {
        let text = Announcement {
            program: "target/release/shared-calendar".to_owned(),
            gateway: ([127, 0, 0, 1], 8080).into(),
            tls: false,
            relay: (Some(([127, 0, 0, 1], 9090).into()), Some(([127, 0, 0, 1], 9099).into())),
            admin: ([127, 0, 0, 1], 8079).into(),
            data_dir: "/data".into(),
            postgres: None,
        }
        .to_string();
        for part in [
            "http://127.0.0.1:8080/docs",
            "http://127.0.0.1:8079/readyz",
            "events to 127.0.0.1:9090, user clients at 127.0.0.1:9099",
            "/user/register",
            "release/shared-calendar room",
            "/data\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
