//! Settings: each with its variable and default; what they mean is proved by
//! [`Config`]'s `TryFrom`.

mod duration;
mod place;

use std::{fmt, io, net::SocketAddr, path::PathBuf, str::FromStr as _, time::Duration};

use chassis::{
    postgres,
    rpc::Targets,
    secrets::read_secret,
    service_token::ServiceToken,
    tls::{Wire, WireSettings},
};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

use self::duration::duration;
use crate::{login::LoginLimits, register::Registration, store::GuessLimit};

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// The service's own database.
    #[arg(long, env = "AUTH_DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// The other servers of that database, separated by commas: any may become the primary.
    #[arg(long, env = "AUTH_REPLICA_URLS", hide_env_values = true, value_delimiter = ',')]
    pub replica_urls: Vec<SecretString>,
    /// Connections to it at once.
    #[arg(long, env = "AUTH_DATABASE_CONNECTIONS", default_value = "16",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,
    /// Where the gateway and the other services connect.
    #[arg(long, env = "AUTH_GRPC_LISTEN", default_value = "127.0.0.1:50051")]
    pub grpc_listen: SocketAddr,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, env = "AUTH_ADMIN_LISTEN", default_value = "127.0.0.1:8071")]
    pub admin_listen: SocketAddr,
    /// 32 random bytes that seal the signing keys at rest; made when absent. By
    /// default `auth.key` in `DATA_DIR`. Every instance needs the same file.
    #[arg(long, env = "AUTH_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Where the key file is kept by default.
    #[arg(long, env = "DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The secret that services show each other.
    #[arg(long, env = "SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// calendar-service, gRPC: it hears of removed accounts.
    #[arg(long, env = "CALENDAR_URL", default_value = "http://127.0.0.1:50052")]
    pub calendar_url: Targets,
    /// notification-service, gRPC: it hears of removed accounts; absent: it is not told.
    #[arg(long, env = "NOTIFICATION_URL")]
    pub notification_url: Option<Targets>,
    /// activity-service, gRPC: likewise.
    #[arg(long, env = "ACTIVITY_URL")]
    pub activity_url: Option<Targets>,
    /// Who may register.
    #[arg(long, env = "REGISTRATION", default_value = "open")]
    pub registration: RegistrationMode,
    /// The invitation code, where `REGISTRATION=code`.
    #[arg(long, env = "REGISTRATION_CODE_FILE")]
    pub registration_code_file: Option<PathBuf>,
    /// How long a session, and its token, lives.
    #[arg(long, env = "SESSION_TTL", default_value = "30 days", value_parser = duration)]
    pub session_ttl: Duration,
    /// Sessions an account may have; the oldest is ended for a newer one.
    #[arg(long, env = "SESSIONS_PER_ACCOUNT", default_value = "500",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub sessions_per_account: u32,
    /// The age at which a signing key gets a successor.
    #[arg(long, env = "KEY_ROTATION", default_value = "90 days", value_parser = duration)]
    pub key_rotation: Duration,
    /// Failed logins by unknown clients that an account takes at once …
    #[arg(long, env = "LOGIN_FAILURES", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub login_failures: u32,
    /// … and the time in which they are forgiven.
    #[arg(long, env = "LOGIN_FAILURE_WINDOW", default_value = "15 minutes", value_parser = duration)]
    pub login_failure_window: Duration,
    /// Password hashes that run at once.
    #[arg(long, env = "HASH_THREADS", default_value = "2",
        value_parser = clap::value_parser!(u32).range(1..=256))]
    pub hash_threads: u32,
    /// Password hashes that may wait; more are refused.
    #[arg(long, env = "HASH_QUEUE", default_value = "64",
        value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub hash_queue: u32,
    /// TLS between services.
    #[command(flatten)]
    pub wire: WireSettings,
}

/// The values of `REGISTRATION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RegistrationMode {
    /// Everybody may register.
    Open,
    /// Who shows the code of `REGISTRATION_CODE_FILE`.
    Code,
    /// Nobody.
    Closed,
}

/// Settings that hold together.
#[derive(Clone)]
pub struct Config {
    /// The service's own database.
    pub database_url: SecretString,
    /// The other servers of that database.
    pub replica_urls: Vec<SecretString>,
    /// Connections to it at once.
    pub database_connections: u32,
    /// Seals the signing keys; made when absent.
    pub key_file: PathBuf,
    /// Opens internal methods, here and at the services that are told.
    pub service_token: ServiceToken,
    /// How services speak to each other.
    pub wire: Wire,
    /// calendar-service, gRPC.
    pub calendar_url: Targets,
    /// notification-service, gRPC.
    pub notification_url: Option<Targets>,
    /// activity-service, gRPC.
    pub activity_url: Option<Targets>,
    /// Who may register.
    pub registration: Registration,
    /// Bounds of sessions and guessing.
    pub login: LoginLimits,
    /// The age at which a signing key gets a successor.
    pub key_rotation: Duration,
    /// Password hashes that run at once.
    pub hash_threads: u32,
    /// Password hashes that may wait.
    pub hash_queue: u32,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct ConfigError {
    variable: &'static str,
    reason: String,
}

// === impl Settings ===

impl Settings {
    /// The configuration, given the service token: for a process that makes its own.
    pub fn with_token(self, service_token: ServiceToken) -> Result<Config, ConfigError> {
        let url = self.database_url.expose_secret();
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !is_postgres || PgConnectOptions::from_str(url).is_err() {
            // The parser's own words may quote the address, which holds a password.
            return Err(invalid("AUTH_DATABASE_URL", "must be like postgres://user@host:port/database"));
        }
        Ok(Config {
            wire: self.wire.wire().map_err(|error| invalid(error.variable, error.reason))?,
            key_file: self.key_path()?,
            registration: self.registration()?,
            calendar_url: self.calendar_url,
            notification_url: self.notification_url,
            activity_url: self.activity_url,
            database_url: self.database_url,
            replica_urls: postgres::replicas(self.replica_urls).ok_or_else(|| {
                invalid(
                    "AUTH_REPLICA_URLS",
                    "must be like postgres://user@host:port/database, separated by commas",
                )
            })?,
            database_connections: self.database_connections,
            service_token,
            login: LoginLimits {
                session_ttl: self.session_ttl,
                sessions_per_account: self.sessions_per_account,
                guesses: GuessLimit { burst: self.login_failures, window: self.login_failure_window },
            },
            key_rotation: self.key_rotation,
            hash_threads: self.hash_threads,
            hash_queue: self.hash_queue,
        })
    }

    fn key_path(&self) -> Result<PathBuf, ConfigError> {
        let in_folder = || self.data_dir.clone().or_else(place::default_data_dir);
        let path = self.key_file.clone().or_else(|| Some(in_folder()?.join("auth.key")));
        path.ok_or_else(|| invalid("AUTH_KEY_FILE", "is required where there is neither DATA_DIR nor HOME"))
    }

    fn registration(&self) -> Result<Registration, ConfigError> {
        const VARIABLE: &str = "REGISTRATION_CODE_FILE";
        match (self.registration, &self.registration_code_file) {
            (RegistrationMode::Open, _) => Ok(Registration::Open),
            (RegistrationMode::Closed, _) => Ok(Registration::Closed),
            (RegistrationMode::Code, None) => {
                Err(invalid(VARIABLE, "is required where REGISTRATION is code"))
            }
            (RegistrationMode::Code, Some(path)) => {
                let code = read_secret(path)
                    .map_err(|error| invalid(VARIABLE, format!("{}: {error}", path.display())))?;
                Ok(Registration::Code(code))
            }
        }
    }
}

impl TryFrom<Settings> for Config {
    type Error = ConfigError;

    fn try_from(settings: Settings) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "SERVICE_TOKEN_FILE";
        let missing = || invalid(VARIABLE, "is required: the services' internal methods want its content");
        let path = settings.service_token_file.clone().ok_or_else(missing)?;
        let token = ServiceToken::from_file(&path)
            .map_err(|error: io::Error| invalid(VARIABLE, format!("{}: {error}", path.display())))?;
        settings.with_token(token)
    }
}

fn invalid(variable: &'static str, reason: impl fmt::Display) -> ConfigError {
    ConfigError { variable, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn config(arguments: &[&str]) -> Result<Config, String> {
        let base = ["auth-service", "--data-dir", "/data"];
        let database = ["--database-url", "postgres://auth@127.0.0.1/auth"];
        // A given address replaces the base one: clap refuses the same option twice.
        let given = arguments.contains(&"--database-url");
        let line = [&base[..], if given { &[] } else { &database }, arguments].concat();
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.settings.with_token(ServiceToken::random()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = config(&[]).expect("valid");
        assert_eq!(config.login.session_ttl, Duration::from_hours(30 * 24));
        assert_eq!(config.login.guesses, GuessLimit { burst: 10, window: Duration::from_mins(15) });
        assert_eq!((config.hash_threads, config.hash_queue), (2, 64));
        assert_eq!(config.key_file, PathBuf::from("/data/auth.key"));
        assert!(matches!(config.registration, Registration::Open));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_variable() {
        for (argument, value, variable) in [
            ("--database-url", "mysql://secret@host/db", "AUTH_DATABASE_URL"),
            ("--calendar-url", "127.0.0.1:50052", "CALENDAR_URL"),
            ("--notification-url", "127.0.0.1:50053", "NOTIFICATION_URL"),
            ("--activity-url", "tcp://127.0.0.1:50054", "ACTIVITY_URL"),
            ("--registration", "code", "REGISTRATION_CODE_FILE"),
            ("--registration", "maybe", "registration"),
            ("--session-ttl", "30", "session-ttl"),
            ("--session-ttl", "0 s", "session-ttl"),
            ("--login-failures", "0", "login-failures"),
            ("--hash-threads", "0", "hash-threads"),
        ] {
            let refused = config(&[argument, value]).err().expect("refused");
            assert!(refused.contains(variable), "{argument} {value}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_code_comes_from_its_file() -> io::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, " sesame\n")?;
        let path = file.path().to_str().expect("UTF-8");
        let config = config(&["--registration", "code", "--registration-code-file", path]).expect("valid");
        let Registration::Code(code) = config.registration else { panic!("not by code") };
        assert_eq!(code.expose_secret(), "sesame");
        Ok(())
    }
}
