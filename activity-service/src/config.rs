//! Settings: each with its variable and default; what they mean is proved by
//! [`Config`]'s `TryFrom`.

use std::{fmt, io, net::SocketAddr, path::PathBuf, str::FromStr as _, time::Duration};

use chassis::{
    postgres,
    rpc::Targets,
    service_token::ServiceToken,
    tls::{Wire, WireSettings},
};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use tonic::transport::Uri;

use crate::{
    duration::duration,
    receiver::is_http,
    relay::{RelayConfig, RelayConfigError, RelaySettings},
    rules::{RuleSettings, Rules},
};

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// The service's own database.
    #[arg(long, env = "ACTIVITY_DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// The other servers of that database, separated by commas: any may become the primary.
    #[arg(long, env = "ACTIVITY_REPLICA_URLS", hide_env_values = true, value_delimiter = ',')]
    pub replica_urls: Vec<SecretString>,
    /// Connections to it at once.
    #[arg(long, env = "ACTIVITY_DATABASE_CONNECTIONS", default_value = "16",
        value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,
    /// Where the gateway and the other services connect.
    #[arg(long, env = "ACTIVITY_GRPC_LISTEN", default_value = "127.0.0.1:50054")]
    pub listen: SocketAddr,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, env = "ACTIVITY_ADMIN_LISTEN", default_value = "127.0.0.1:8074")]
    pub admin_listen: SocketAddr,
    /// auth-service, gRPC: token keys.
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:50051")]
    pub auth_url: Targets,
    /// notification-service, gRPC: who is told.
    #[arg(long, env = "NOTIFICATION_URL", default_value = "http://127.0.0.1:50053")]
    pub notification_url: Targets,
    /// An address of your own that is told instead: `POST {deviceId, message, id}`.
    #[arg(long, env = "NOTIFY_URL", hide_env_values = true)]
    pub notify_url: Option<SecretString>,
    /// The secret that services show each other.
    #[arg(long, env = "SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// How long events, and notifications that were told, are kept.
    #[arg(long, env = "ACTIVITY_RETENTION", default_value = "30 days", value_parser = duration)]
    pub retention: Duration,
    /// Thresholds and texts of the rules.
    #[command(flatten)]
    pub rules: RuleSettings,
    /// The relay.
    #[command(flatten)]
    pub relay: RelaySettings,
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
    /// Who is told instead of notification-service.
    pub notify_url: Option<Uri>,
    /// Opens internal methods, here and elsewhere.
    pub service_token: ServiceToken,
    /// How services speak to each other.
    pub wire: Wire,
    /// How long events and told notifications are kept.
    pub retention: Duration,
    /// What events mean.
    pub rules: Rules,
    /// The relay.
    pub relay: RelayConfig,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct ConfigError {
    variable: &'static str,
    reason: String,
}

impl From<RelayConfigError> for ConfigError {
    fn from(RelayConfigError { variable, reason }: RelayConfigError) -> Self {
        Self { variable, reason }
    }
}

// === impl Settings ===

impl Settings {
    /// The configuration, given the service token: for a process that makes its own.
    pub fn with_token(self, service_token: ServiceToken) -> Result<Config, ConfigError> {
        let url = self.database_url.expose_secret();
        // sqlx takes any scheme; its error may quote the address, which holds a password.
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !is_postgres || PgConnectOptions::from_str(url).is_err() {
            return Err(invalid("ACTIVITY_DATABASE_URL", "must be like postgres://user@host:port/database"));
        }
        let rules = self.rules.rules();
        // A rule that looks further back than events are kept would see half of them.
        let enough = Duration::from_secs(2 * rules.reach().unsigned_abs());
        if self.retention < enough {
            let least = enough.as_secs().div_ceil(3600);
            return Err(invalid(
                "ACTIVITY_RETENTION",
                format!("must be at least {least} hours for these rules"),
            ));
        }
        Ok(Config {
            wire: self.wire.wire().map_err(|error| invalid(error.variable, error.reason))?,
            notify_url: self.notify_url.as_ref().map(notify_url).transpose()?,
            database_url: self.database_url,
            replica_urls: postgres::replicas(self.replica_urls).ok_or_else(|| {
                invalid(
                    "ACTIVITY_REPLICA_URLS",
                    "must be like postgres://user@host:port/database, separated by commas",
                )
            })?,
            database_connections: self.database_connections,
            auth_url: self.auth_url,
            notification_url: self.notification_url,
            service_token,
            retention: self.retention,
            rules,
            relay: self.relay.try_into()?,
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

/// The address may hold a secret, so it is not quoted.
fn notify_url(text: &SecretString) -> Result<Uri, ConfigError> {
    let uri = text.expose_secret().parse().ok().filter(is_http);
    uri.ok_or_else(|| invalid("NOTIFY_URL", "must be like http://host:port/path or https://host/path"))
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
        let database = ["--database-url", "postgres://activity@127.0.0.1/activity"];
        // A given address replaces the base one: clap refuses the same option twice.
        let given = arguments.contains(&"--database-url");
        let line = [&["activity-service"][..], if given { &[] } else { &database }, arguments].concat();
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.settings.with_token(ServiceToken::random()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_hold_together() {
        let config = config(&[]).unwrap();
        assert_eq!(config.retention, Duration::from_hours(720));
        assert!(config.notify_url.is_none() && config.rules.knows("APP_LAUNCHED"));
        let by_line =
            Line::try_parse_from(["x", "--database-url", "postgres://x@y/z"]).unwrap().settings.rules;
        assert_eq!(format!("{by_line:?}"), format!("{:?}", RuleSettings::default()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_variable() {
        for (argument, value, variable) in [
            ("--database-url", "mysql://secret@host/db", "ACTIVITY_DATABASE_URL"),
            ("--auth-url", "127.0.0.1:50051", "AUTH_URL"),
            ("--notification-url", "notification", "NOTIFICATION_URL"),
            ("--notify-url", "ftp://secret@host/x", "NOTIFY_URL"),
            ("--notify-url", "/notify?secret", "NOTIFY_URL"),
            ("--retention", "1 day", "ACTIVITY_RETENTION"),
            ("--retention", "soon", "retention"),
            ("--launch-wait", "0 s", "launch-wait"),
            ("--database-connections", "1", "database-connections"),
        ] {
            let refused = config(&[argument, value]).err().unwrap_or_default();
            assert!(refused.contains(variable), "{argument} {value}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
        assert!(config(&["--notify-url", "https://user:pass@example.org/notify?x=y"]).is_ok());
        let line = ["activity-service", "--database-url", "postgres://x@y/z"];
        let refused = Config::try_from(Line::try_parse_from(line).unwrap().settings).err().unwrap();
        assert!(refused.to_string().starts_with("SERVICE_TOKEN_FILE"));
    }
}
