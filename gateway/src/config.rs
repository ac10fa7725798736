//! Settings: each with its variable and default; what they mean is proved by
//! [`Config`]'s `TryFrom`.

mod origin;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
};

use chassis::{
    http_server::HttpLimits,
    rpc::Targets,
    service_token::ServiceToken,
    tls::{Certificate, Wire, WireSettings},
};
use http::HeaderValue;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    edge::{client_address::TrustedProxies, limit::LimitSettings, origins::Origins},
    upstream::{Places, Rules},
};

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Where clients connect.
    #[arg(long, env = "GATEWAY_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, env = "GATEWAY_ADMIN_LISTEN", default_value = "127.0.0.1:8070")]
    pub admin_listen: SocketAddr,
    /// auth-service, gRPC: `http://host:port` of each instance, separated by
    /// commas, or `dns:///name:port` for all addresses of a name.
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:50051")]
    pub auth_url: Targets,
    /// calendar-service, gRPC, likewise.
    #[arg(long, env = "CALENDAR_URL", default_value = "http://127.0.0.1:50052")]
    pub calendar_url: Targets,
    /// calendar-service's socket listeners, HTTP/1.1, likewise.
    #[arg(long, env = "CALENDAR_SOCKET_URL", default_value = "http://127.0.0.1:8062")]
    pub calendar_socket_url: Targets,
    /// notification-service, gRPC, likewise.
    #[arg(long, env = "NOTIFICATION_URL", default_value = "http://127.0.0.1:50053")]
    pub notification_url: Targets,
    /// activity-service, gRPC, likewise.
    #[arg(long, env = "ACTIVITY_URL", default_value = "http://127.0.0.1:50054")]
    pub activity_url: Targets,
    /// Whether timers can be set and read without a token; limits then are per
    /// client address. notification-service must be told the same.
    #[arg(long, env = "TIMERS_PUBLIC", default_value_t = false, action = clap::ArgAction::Set)]
    pub timers_public: bool,
    /// The session cache that gateways share; absent: each remembers alone.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,
    /// Networks whose `X-Forwarded-For` is believed, separated by commas.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The address that people type, such as `https://calendar.example`. By
    /// default the listener's own.
    #[arg(long, env = "PUBLIC_ORIGIN")]
    pub public_origin: Option<String>,
    /// Web pages that may talk to us, separated by commas. By default those of
    /// `PUBLIC_ORIGIN`.
    #[arg(long, env = "ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// The secret that services show each other.
    #[arg(long, env = "SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// The gateway's public certificate and those between it and who signed it
    /// (PEM): with it, clients speak TLS 1.2 or 1.3 here. Read again when it changes.
    #[arg(long, env = "GATEWAY_TLS_CERT_FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// The key of that (PEM).
    #[arg(long, env = "GATEWAY_TLS_KEY_FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// Connections at once, tunnels not counted.
    #[arg(long, env = "GATEWAY_CONNECTIONS", default_value = "16384")]
    pub connections: NonZeroUsize,
    /// Open sockets at once.
    #[arg(long, env = "GATEWAY_TUNNELS", default_value = "50000")]
    pub tunnels: NonZeroUsize,
    /// Requests a minute.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// TLS between services.
    #[command(flatten)]
    pub wire: WireSettings,
}

/// Settings that hold together.
#[derive(Clone)]
pub struct Config {
    /// The services, gRPC.
    pub services: Places,
    /// calendar-service's socket listeners.
    pub calendar_sockets: Targets,
    /// Whether timers need no token.
    pub timers_public: bool,
    /// The shared session cache.
    pub redis_url: Option<SecretString>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: TrustedProxies,
    /// Which web pages may talk to us.
    pub origins: Origins,
    /// The public origin is `https`.
    pub https: bool,
    /// Opens internal methods.
    pub service_token: ServiceToken,
    /// How services speak to each other.
    pub wire: Wire,
    /// What clients are shown; absent: they speak plain HTTP.
    pub certificate: Option<Arc<Certificate>>,
    /// When an instance is left alone, and for how long.
    pub breaker: Rules,
    /// What a peer may hold.
    pub http: HttpLimits,
    /// Open sockets at once.
    pub tunnels: usize,
    /// Requests a minute.
    pub limits: LimitSettings,
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
        let origin = |variable, text: &str| {
            origin::normal(text).map_err(|reason| ConfigError { variable, reason: reason.to_owned() })
        };
        let certificate = self.certificate()?;
        let public = match &self.public_origin {
            Some(text) => vec![origin("PUBLIC_ORIGIN", text)?],
            None => origin::of_listener(self.listen, certificate.is_some()),
        };
        // Not where the origin is the listener's own: a browser that were told to stay with `https://localhost`
        // would do so for every other program of its machine.
        let https = self.public_origin.is_some() && public.iter().any(|origin| origin.starts_with("https:"));
        let allowed = if self.allowed_origins.is_empty() {
            public
        } else {
            let listed = self.allowed_origins.iter().map(|text| origin("ALLOWED_ORIGINS", text));
            listed.collect::<Result<_, _>>()?
        };
        let allowed: Vec<_> =
            allowed.into_iter().filter_map(|text| HeaderValue::try_from(text).ok()).collect();
        if let Some(url) = &self.redis_url {
            redis::Client::open(url.expose_secret()).map_err(|error| invalid("REDIS_URL", error))?;
        }
        Ok(Config {
            wire: self.wire.wire().map_err(|error| invalid(error.variable, error.reason))?,
            certificate,
            services: Places {
                auth: self.auth_url,
                calendar: self.calendar_url,
                notification: self.notification_url,
                activity: self.activity_url,
            },
            calendar_sockets: self.calendar_socket_url,
            timers_public: self.timers_public,
            redis_url: self.redis_url,
            proxies: TrustedProxies::new(self.trusted_proxies),
            origins: Origins::new(allowed),
            https,
            service_token,
            breaker: Rules::default(),
            http: HttpLimits { connections: self.connections.get(), ..HttpLimits::default() },
            tunnels: self.tunnels.get(),
            limits: self.limits,
        })
    }
}

impl Settings {
    fn certificate(&self) -> Result<Option<Arc<Certificate>>, ConfigError> {
        let (Some(cert), Some(key)) = (&self.tls_cert_file, &self.tls_key_file) else { return Ok(None) };
        let opened = Certificate::open(("GATEWAY_TLS_CERT_FILE", cert), ("GATEWAY_TLS_KEY_FILE", key));
        opened.map(Some).map_err(|error| invalid(error.variable, error.reason))
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

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| one()).map_err(|_| format!("`{text}` is neither a network nor an address"))
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
        let line = Line::try_parse_from([&["gateway"], arguments].concat());
        let settings = line.map_err(|error| error.to_string())?.settings;
        settings.with_token(ServiceToken::random()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_hold_together() {
        let config = config(&[]).expect("valid");
        assert_eq!(config.calendar_sockets, "http://127.0.0.1:8062".parse().expect("targets"));
        assert_eq!((config.limits.login.get(), config.limits.default.get()), (5, 600));
        assert!(!config.https && config.redis_url.is_none() && !config.timers_public);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_variable() {
        for (argument, value, variable) in [
            ("--auth-url", "127.0.0.1:50051", "AUTH_URL"),
            ("--notification-url", "notification:50053", "NOTIFICATION_URL"),
            ("--activity-url", "grpc://activity:50054", "ACTIVITY_URL"),
            ("--timers-public", "perhaps", "timers-public"),
            ("--calendar-socket-url", "https://calendar", "CALENDAR_SOCKET_URL"),
            ("--calendar-url", "http://a:1,dns:///b", "CALENDAR_URL"),
            ("--public-origin", "calendar.example", "PUBLIC_ORIGIN"),
            ("--allowed-origins", "https://a.example,*", "ALLOWED_ORIGINS"),
            ("--redis-url", "rabbit://x", "REDIS_URL"),
            ("--trusted-proxies", "10.0.0.0/8,proxy", "trusted-proxies"),
            ("--limit-login", "0", "limit-login"),
            ("--tls-cert-file", "/nowhere", "--tls-key-file"),
            ("--service-tls-ca-file", "/nowhere", "SERVICE_TLS_CERT_FILE"),
        ] {
            let refused = config(&[argument, value]).err().expect("refused");
            assert!(refused.contains(variable), "{argument} {value}: {refused}");
        }
        assert!(config(&["--trusted-proxies", "10.0.0.0/8, 192.0.2.1,2001:db8::/32"]).is_ok());
    }

    #[test]
    fn a_service_token_is_required() {
        let settings = Line::try_parse_from(["gateway"]).expect("parses").settings;
        let refused = Config::try_from(settings).err().expect("refused");
        assert!(refused.to_string().starts_with("SERVICE_TOKEN_FILE"));
    }
}
