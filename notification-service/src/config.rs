//! Settings: each with its variable and default; what they mean is proved by
//! [`Config`]'s `TryFrom`.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr as _,
    sync::Arc,
};

use chassis::{
    postgres,
    rpc::Targets,
    service_token::ServiceToken,
    tls::{Wire, WireSettings},
};
use ipnet::IpNet;
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

use crate::webhook::trust;

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// The service's own database.
    #[arg(long, env = "NOTIFICATION_DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// The other servers of that database, separated by commas: any may become the primary.
    #[arg(long, env = "NOTIFICATION_REPLICA_URLS", hide_env_values = true, value_delimiter = ',')]
    pub replica_urls: Vec<SecretString>,
    /// Connections to it at once.
    #[arg(long, env = "NOTIFICATION_DATABASE_CONNECTIONS", default_value = "16",
        value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub database_connections: u32,
    /// Where the gateway and the other services connect.
    #[arg(long, env = "NOTIFICATION_GRPC_LISTEN", default_value = "127.0.0.1:50053")]
    pub grpc_listen: SocketAddr,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, env = "NOTIFICATION_ADMIN_LISTEN", default_value = "127.0.0.1:8073")]
    pub admin_listen: SocketAddr,
    /// auth-service, gRPC: token keys.
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:50051")]
    pub auth_url: Targets,
    /// calendar-service, gRPC: inboxes, sockets, who knows whom.
    #[arg(long, env = "CALENDAR_URL", default_value = "http://127.0.0.1:50052")]
    pub calendar_url: Targets,
    /// The secret that services show each other.
    #[arg(long, env = "SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// Whether timers may be created and read without an account.
    #[arg(long, env = "TIMERS_PUBLIC", default_value = "false", action = clap::ArgAction::Set)]
    pub timers_public: bool,
    /// Address ranges that webhooks may reach although they are not public, such as `192.168.1.0/24`.
    #[arg(long, env = "WEBHOOK_ALLOW_CIDRS", value_delimiter = ',')]
    pub webhook_allow_cidrs: Vec<String>,
    /// Requests to one webhook host at once.
    #[arg(long, env = "WEBHOOK_PER_HOST", default_value = "32",
        value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub webhook_per_host: u32,
    /// Certificates (PEM) that webhook receivers may be signed with, besides the public ones.
    #[arg(long, env = "WEBHOOK_CA_FILE")]
    pub webhook_ca_file: Option<PathBuf>,
    /// Deliveries of every kind at once.
    #[arg(long, env = "NOTIFICATION_DELIVERIES", default_value = "1024",
        value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub deliveries: u32,
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
    /// calendar-service, gRPC.
    pub calendar_url: Targets,
    /// Opens internal methods, here and at calendar-service.
    pub service_token: ServiceToken,
    /// How services speak to each other.
    pub wire: Wire,
    /// Whether timers may be created and read without an account.
    pub timers_public: bool,
    /// Address ranges that webhooks may reach although they are not public.
    pub webhook_allow: Vec<IpNet>,
    /// Requests to one webhook host at once.
    pub webhook_per_host: usize,
    /// Whom webhook receivers may be certified by.
    pub webhook_tls: Arc<ClientConfig>,
    /// Deliveries of every kind at once.
    pub deliveries: usize,
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
            return Err(invalid(
                "NOTIFICATION_DATABASE_URL",
                "must be like postgres://user@host:port/database",
            ));
        }
        let ca_file = self.webhook_ca_file.as_deref();
        Ok(Config {
            wire: self.wire.wire().map_err(|error| invalid(error.variable, error.reason))?,
            database_url: self.database_url,
            replica_urls: postgres::replicas(self.replica_urls).ok_or_else(|| {
                invalid(
                    "NOTIFICATION_REPLICA_URLS",
                    "must be like postgres://user@host:port/database, separated by commas",
                )
            })?,
            database_connections: self.database_connections,
            auth_url: self.auth_url,
            calendar_url: self.calendar_url,
            service_token,
            timers_public: self.timers_public,
            webhook_allow: ranges(&self.webhook_allow_cidrs)?,
            webhook_per_host: self.webhook_per_host as usize,
            webhook_tls: trust(ca_file).map_err(|error| invalid("WEBHOOK_CA_FILE", error))?,
            deliveries: self.deliveries as usize,
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

/// Reads address ranges; an address alone is a range of one. Empty parts are none.
fn ranges(texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let texts = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    texts
        .map(|text| {
            let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            range.map_err(|_| {
                invalid("WEBHOOK_ALLOW_CIDRS", format!("`{text}` is not a range such as 192.168.1.0/24"))
            })
        })
        .collect()
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
        chassis::install_crypto_provider();
        let database = ["--database-url", "postgres://notification@127.0.0.1/notification"];
        // A given address replaces the base one: clap refuses the same option twice.
        let given = arguments.contains(&"--database-url");
        let line = [&["notification-service"][..], if given { &[] } else { &database }, arguments].concat();
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.settings.with_token(ServiceToken::random()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_closed() {
        let config = config(&[]).unwrap();
        assert!(!config.timers_public && config.webhook_allow.is_empty());
        assert_eq!((config.webhook_per_host, config.deliveries), (32, 1024));
    }

    #[test]
    fn ranges_are_a_list() {
        let config = config(&["--webhook-allow-cidrs", "127.0.0.1, 10.0.0.0/8,,fd00::/8"]).unwrap();
        let texts: Vec<_> = config.webhook_allow.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_variable() {
        for (argument, value, variable) in [
            ("--database-url", "mysql://secret@host/db", "NOTIFICATION_DATABASE_URL"),
            ("--auth-url", "127.0.0.1:50051", "AUTH_URL"),
            ("--calendar-url", "calendar:50052", "CALENDAR_URL"),
            ("--webhook-allow-cidrs", "10.0.0.0/33", "WEBHOOK_ALLOW_CIDRS"),
            ("--webhook-allow-cidrs", "home", "WEBHOOK_ALLOW_CIDRS"),
            ("--webhook-ca-file", "/nowhere/ca.pem", "WEBHOOK_CA_FILE"),
            ("--webhook-per-host", "0", "webhook-per-host"),
            ("--deliveries", "0", "deliveries"),
            ("--timers-public", "maybe", "timers-public"),
        ] {
            let refused = config(&[argument, value]).err().unwrap_or_default();
            assert!(refused.contains(variable), "{argument} {value}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
        let line = ["notification-service", "--database-url", "postgres://x@y/z"];
        let refused = Config::try_from(Line::try_parse_from(line).unwrap().settings).err().unwrap();
        assert!(refused.to_string().starts_with("SERVICE_TOKEN_FILE"));
    }
}
