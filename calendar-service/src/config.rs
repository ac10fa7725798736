//! Settings: each with its variable and default; what they mean is proved by
//! [`Config`]'s `TryFrom`.

use std::{fmt, io, net::SocketAddr, path::PathBuf, str::FromStr as _};

use chassis::{
    postgres,
    rpc::Targets,
    service_token::ServiceToken,
    tls::{Wire, WireSettings},
};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

use crate::socket::{BroadcastScope, SocketLimits};

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// The service's own database.
    #[arg(long, env = "CALENDAR_DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// The other servers of that database, separated by commas: any may become the primary.
    #[arg(long, env = "CALENDAR_REPLICA_URLS", hide_env_values = true, value_delimiter = ',')]
    pub replica_urls: Vec<SecretString>,
    /// Connections to it at once.
    #[arg(long, env = "CALENDAR_DATABASE_CONNECTIONS", default_value = "24",
        value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,
    /// Where the gateway and the other services connect.
    #[arg(long, env = "CALENDAR_GRPC_LISTEN", default_value = "127.0.0.1:50052")]
    pub grpc_listen: SocketAddr,
    /// Where the gateway's tunnels connect: `/ws` and `/socket.io/`, HTTP/1.1.
    #[arg(long, env = "CALENDAR_SOCKET_LISTEN", default_value = "127.0.0.1:8062")]
    pub socket_listen: SocketAddr,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, env = "CALENDAR_ADMIN_LISTEN", default_value = "127.0.0.1:8072")]
    pub admin_listen: SocketAddr,
    /// auth-service, gRPC: token keys, sessions, participants.
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:50051")]
    pub auth_url: Targets,
    /// notification-service, gRPC: it knows when reminders are due. While it is
    /// away, what it must hear waits.
    #[arg(long, env = "NOTIFICATION_URL", default_value = "http://127.0.0.1:50053")]
    pub notification_url: Targets,
    /// What instances of this service tell each other by; absent: there is one
    /// instance. One Redis, or database of one, for one system.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// The secret that services show each other.
    #[arg(long, env = "SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// Who hears a message that names no calendar.
    #[arg(long, env = "BROADCAST_SCOPE", default_value = "everyone")]
    pub broadcast_scope: BroadcastScope,
    /// Sockets of one account, on all instances together.
    #[arg(long, env = "SOCKETS_PER_ACCOUNT", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub sockets_per_account: u32,
    /// Frames a second that a socket may keep up …
    #[arg(long, env = "SOCKET_FRAMES", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub socket_frames: u32,
    /// … and at once after a rest.
    #[arg(long, env = "SOCKET_FRAME_BURST", default_value = "60",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub socket_frame_burst: u32,
    /// TLS between services.
    #[command(flatten)]
    pub wire: WireSettings,
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
    /// auth-service, gRPC.
    pub auth_url: Targets,
    /// notification-service, gRPC.
    pub notification_url: Targets,
    /// What instances tell each other by.
    pub redis_url: Option<SecretString>,
    /// Opens internal methods, here and at auth-service.
    pub service_token: ServiceToken,
    /// How services speak to each other.
    pub wire: Wire,
    /// Who hears a message that names no calendar.
    pub broadcast_scope: BroadcastScope,
    /// What a socket may do.
    pub limits: SocketLimits,
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
        // sqlx takes any scheme; its error may quote the address, which holds a password.
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !is_postgres || PgConnectOptions::from_str(url).is_err() {
            return Err(invalid("CALENDAR_DATABASE_URL", "must be like postgres://user@host:port/database"));
        }
        if let Some(url) = &self.redis_url {
            redis::Client::open(url.expose_secret())
                .map_err(|error| invalid("REDIS_URL", error.category()))?;
        }
        Ok(Config {
            wire: self.wire.wire().map_err(|error| invalid(error.variable, error.reason))?,
            database_url: self.database_url,
            replica_urls: postgres::replicas(self.replica_urls).ok_or_else(|| {
                invalid(
                    "CALENDAR_REPLICA_URLS",
                    "must be like postgres://user@host:port/database, separated by commas",
                )
            })?,
            database_connections: self.database_connections,
            auth_url: self.auth_url,
            notification_url: self.notification_url,
            redis_url: self.redis_url,
            service_token,
            broadcast_scope: self.broadcast_scope,
            limits: SocketLimits {
                sockets_per_account: self.sockets_per_account as usize,
                frames_per_second: self.socket_frames,
                frame_burst: self.socket_frame_burst,
                ..SocketLimits::default()
            },
        })
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
        let database = ["--database-url", "postgres://calendar@127.0.0.1/calendar"];
        // A given address replaces the base one: clap refuses the same option twice.
        let given = arguments.contains(&"--database-url");
        let line = [&["calendar-service"][..], if given { &[] } else { &database }, arguments].concat();
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.settings.with_token(ServiceToken::random()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = config(&[]).unwrap();
        assert_eq!(config.broadcast_scope, BroadcastScope::Everyone);
        let limits = config.limits;
        assert_eq!((limits.sockets_per_account, limits.frames_per_second, limits.frame_burst), (10, 20, 60));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_variable() {
        for (argument, value, variable) in [
            ("--database-url", "mysql://secret@host/db", "CALENDAR_DATABASE_URL"),
            ("--replica-urls", "postgres://a@b/c,mysql://secret@host/db", "CALENDAR_REPLICA_URLS"),
            ("--auth-url", "127.0.0.1:50051", "AUTH_URL"),
            ("--notification-url", "/nowhere", "NOTIFICATION_URL"),
            ("--redis-url", "rabbit://:secret@x", "REDIS_URL"),
            ("--broadcast-scope", "some", "broadcast-scope"),
            ("--sockets-per-account", "0", "sockets-per-account"),
            ("--database-connections", "1", "database-connections"),
        ] {
            let refused = config(&[argument, value]).err().unwrap_or_default();
            assert!(refused.contains(variable), "{argument} {value}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
        let line = ["calendar-service", "--database-url", "postgres://x@y/z"];
        let refused = Config::try_from(Line::try_parse_from(line).unwrap().settings).err().unwrap();
        assert!(refused.to_string().starts_with("SERVICE_TOKEN_FILE"));
    }
}
