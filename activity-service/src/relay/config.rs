//! The relay's settings: each with its variable and default.

use std::{fmt, net::SocketAddr, str::FromStr as _, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use crate::broker::amqp::AmqpConfig;

/// What an operator sets.
#[derive(Clone, Debug, clap::Args)]
pub struct RelaySettings {
    /// Which parts of the relay this process runs.
    #[arg(id = "relay-role", long = "relay-role", env = "RELAY_ROLE", default_value = "both")]
    pub role: RelayRole,
    /// Where event sources connect. There is no login: keep it private.
    #[arg(
        id = "relay-source-listen",
        long = "relay-source-listen",
        env = "RELAY_SOURCE_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    pub source_listen: SocketAddr,
    /// Where user clients connect. There is no login: keep it private.
    #[arg(
        id = "relay-client-listen",
        long = "relay-client-listen",
        env = "RELAY_CLIENT_LISTEN",
        default_value = "127.0.0.1:9099"
    )]
    pub client_listen: SocketAddr,
    /// RabbitMQ, such as `amqp://user:password@host:5672/%2f`. Without it packs pass
    /// within the process, and do not survive it.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: Option<SecretString>,
    /// The queue.
    #[arg(id = "relay-queue", long = "relay-queue", env = "RELAY_QUEUE", default_value = "relay")]
    pub queue: String,
    /// What kind of queue is made: `quorum` on a cluster.
    #[arg(
        id = "relay-queue-type",
        long = "relay-queue-type",
        env = "RELAY_QUEUE_TYPE",
        default_value = "classic"
    )]
    pub queue_type: QueueType,
    /// The name under which this listener says whether it has sources: another
    /// one for each listener, the same after a restart. By default the host's
    /// name and the address of `RELAY_SOURCE_LISTEN`.
    #[arg(id = "relay-listener-name", long = "relay-listener-name", env = "RELAY_LISTENER_NAME")]
    pub listener_name: Option<String>,
    /// Events that may wait for a missing one; past it that one is given up.
    #[arg(id = "relay-gap-window", long = "relay-gap-window", env = "RELAY_GAP_WINDOW", default_value = "1000000",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub gap_window: u32,
    /// How long a missing event is waited for, such as `30 s`. By default for ever.
    #[arg(id = "relay-gap-timeout", long = "relay-gap-timeout", env = "RELAY_GAP_TIMEOUT", value_parser = duration)]
    pub gap_timeout: Option<Duration>,
    /// When all sources have closed and nothing waits: forget position and
    /// followers, so that the next stream may begin with 1, or go on. By default
    /// a stream goes on with `AMQP_URL`, and is forgotten without.
    #[arg(id = "relay-on-close", long = "relay-on-close", env = "RELAY_ON_CLOSE")]
    pub on_close: Option<OnClose>,
    /// Sources at once.
    #[arg(id = "relay-max-sources", long = "relay-max-sources", env = "RELAY_MAX_SOURCES", default_value = "256",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_sources: u32,
    /// User clients at once.
    #[arg(id = "relay-max-clients", long = "relay-max-clients", env = "RELAY_MAX_CLIENTS", default_value = "10000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_clients: u32,
    /// KiB that one client may be behind; past it that client is dropped.
    #[arg(id = "relay-client-buffer", long = "relay-client-buffer", env = "RELAY_CLIENT_BUFFER_KIB", default_value = "4096",
        value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    pub client_buffer: u32,
    /// KiB that all clients together may be behind; past it the stream waits a
    /// second, then the client furthest behind is dropped.
    #[arg(id = "relay-clients-buffer", long = "relay-clients-buffer", env = "RELAY_CLIENTS_BUFFER_KIB", default_value = "49152",
        value_parser = clap::value_parser!(u32).range(64..=16_777_216))]
    pub clients_buffer: u32,
    /// KiB that the broker may have left unconfirmed; past it sources are not read.
    #[arg(id = "relay-unconfirmed", long = "relay-unconfirmed", env = "RELAY_UNCONFIRMED_KIB", default_value = "8192",
        value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    pub unconfirmed: u32,
    /// Packs that are taken from RabbitMQ ahead of their acknowledgement.
    #[arg(id = "relay-prefetch", long = "relay-prefetch", env = "RELAY_PREFETCH", default_value = "256",
        value_parser = clap::value_parser!(u16).range(2..))]
    pub prefetch: u16,
    /// KiB that the follower graph may take; past it follows are refused.
    #[arg(id = "relay-graph", long = "relay-graph", env = "RELAY_GRAPH_KIB", default_value = "32768",
        value_parser = clap::value_parser!(u32).range(64..=16_777_216))]
    pub graph: u32,
    /// How long a pack may wait for the snapshot after which it is acknowledged.
    #[arg(id = "relay-snapshot-interval", long = "relay-snapshot-interval", env = "RELAY_SNAPSHOT_INTERVAL", default_value = "250 ms",
        value_parser = duration)]
    pub snapshot_interval: Duration,
    /// A new leader goes on with the stream after this: clients of the one
    /// before come back meanwhile, and miss nothing.
    #[arg(id = "relay-takeover-grace", long = "relay-takeover-grace", env = "RELAY_TAKEOVER_GRACE", default_value = "500 ms",
        value_parser = duration)]
    pub takeover_grace: Duration,
}

/// The values of `RELAY_ROLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RelayRole {
    /// Takes events from sources into the broker.
    Listen,
    /// Puts them in order and tells user clients.
    Process,
    /// Both.
    Both,
    /// Neither: the process has no relay.
    Off,
}

/// The values of `RELAY_ON_CLOSE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnClose {
    /// The next stream begins with 1.
    Reset,
    /// The next source goes on with the stream.
    Continue,
}

/// The values of `RELAY_QUEUE_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum QueueType {
    /// On one node.
    Classic,
    /// Replicated.
    Quorum,
}

/// Settings of the relay that hold together.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Which parts run.
    pub role: RelayRole,
    pub(crate) amqp: Option<AmqpConfig>,
    pub(crate) listener_name: String,
    pub(crate) gap_window: usize,
    pub(crate) gap_timeout: Option<Duration>,
    pub(crate) on_close: OnClose,
    pub(crate) max_sources: usize,
    pub(crate) max_clients: usize,
    pub(crate) client_buffer: usize,
    pub(crate) clients_buffer: usize,
    pub(crate) graph_bytes: usize,
    pub(crate) snapshot_interval: Duration,
    pub(crate) takeover_grace: Duration,
}

/// A setting of the relay that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct RelayConfigError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

// === impl RelayRole ===

impl RelayRole {
    /// Whether event sources connect here.
    pub const fn listens(self) -> bool {
        matches!(self, Self::Listen | Self::Both)
    }

    /// Whether user clients connect here.
    pub const fn processes(self) -> bool {
        matches!(self, Self::Process | Self::Both)
    }
}

// === impl RelayConfig ===

impl RelayConfig {
    /// Whether position and graph outlive the process.
    pub(crate) const fn is_kept(&self) -> bool {
        self.amqp.is_some() || matches!(self.on_close, OnClose::Continue)
    }

    /// Packs that may be taken and not acknowledged.
    pub(crate) fn prefetch(&self) -> usize {
        self.amqp.as_ref().map_or(usize::from(u16::MAX), |amqp| usize::from(amqp.prefetch))
    }

    /// Ids of packs to remember: all that may come again after a connection broke, and as many more.
    pub(crate) fn recent_packs(&self) -> usize {
        self.amqp.as_ref().map_or(0, |amqp| 2 * usize::from(amqp.prefetch))
    }
}

impl TryFrom<RelaySettings> for RelayConfig {
    type Error = RelayConfigError;

    fn try_from(settings: RelaySettings) -> Result<Self, RelayConfigError> {
        let amqp = settings.amqp_url.as_ref().map(|url| amqp(url, &settings)).transpose()?;
        if amqp.is_none() && matches!(settings.role, RelayRole::Listen | RelayRole::Process) {
            return Err(invalid("AMQP_URL", "is required where RELAY_ROLE is listen or process"));
        }
        if settings.clients_buffer < settings.client_buffer {
            return Err(invalid("RELAY_CLIENTS_BUFFER_KIB", "is less than RELAY_CLIENT_BUFFER_KIB"));
        }
        let name = settings.listener_name.clone().unwrap_or_else(|| default_name(settings.source_listen));
        if name.is_empty() || name.len() > 200 || name.contains(char::is_control) {
            return Err(invalid("RELAY_LISTENER_NAME", "must be 1 to 200 printable characters"));
        }
        let on_close = if amqp.is_some() { OnClose::Continue } else { OnClose::Reset };
        let kib = |kib: u32| kib as usize * 1024;
        Ok(Self {
            role: settings.role,
            amqp,
            listener_name: name,
            gap_window: settings.gap_window as usize,
            gap_timeout: settings.gap_timeout,
            on_close: settings.on_close.unwrap_or(on_close),
            max_sources: settings.max_sources as usize,
            max_clients: settings.max_clients as usize,
            client_buffer: kib(settings.client_buffer),
            clients_buffer: kib(settings.clients_buffer),
            graph_bytes: kib(settings.graph),
            snapshot_interval: settings.snapshot_interval,
            takeover_grace: settings.takeover_grace,
        })
    }
}

fn amqp(url: &SecretString, settings: &RelaySettings) -> Result<AmqpConfig, RelayConfigError> {
    // The parser's own words may quote the address, which holds a password.
    let uri = lapin::uri::AMQPUri::from_str(url.expose_secret())
        .map_err(|_| invalid("AMQP_URL", "must be like amqp://user:password@host:5672/%2f"))?;
    if uri.scheme != lapin::uri::AMQPScheme::AMQP {
        return Err(invalid(
            "AMQP_URL",
            "must be amqp: TLS to RabbitMQ is not built in, keep it in a private network",
        ));
    }
    if settings.queue.is_empty() || settings.queue.len() > 200 {
        return Err(invalid("RELAY_QUEUE", "must be 1 to 200 characters"));
    }
    Ok(AmqpConfig {
        uri,
        queue: settings.queue.clone(),
        quorum: settings.queue_type == QueueType::Quorum,
        prefetch: settings.prefetch,
        unconfirmed: settings.unconfirmed as usize * 1024,
    })
}

fn default_name(listen: SocketAddr) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}/{listen}")
}

fn invalid(variable: &'static str, reason: impl fmt::Display) -> RelayConfigError {
    RelayConfigError { variable, reason: reason.to_string() }
}

/// A duration as an operator writes it: `250 ms`, `30 s`, `5 minutes`.
fn duration(text: &str) -> Result<Duration, String> {
    let unreadable = || format!("`{text}` is not a duration such as `30 s` or `5 minutes`");
    let exact: jiff::SignedDuration = text.trim().parse().map_err(|_| unreadable())?;
    let duration = Duration::try_from(exact).map_err(|_| unreadable())?;
    if duration < Duration::from_millis(10) { Err(unreadable()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: RelaySettings,
    }

    fn config(arguments: &[&str]) -> Result<RelayConfig, String> {
        let line =
            Line::try_parse_from([&["relay"], arguments].concat()).map_err(|error| error.to_string())?;
        RelayConfig::try_from(line.settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let line = Line::try_parse_from(["relay"]).expect("no argument is required");
        assert_eq!(line.settings.source_listen.to_string(), "127.0.0.1:9090");
        assert_eq!(line.settings.client_listen.to_string(), "127.0.0.1:9099");
        let config = config(&[]).expect("valid");
        assert_eq!((config.gap_window, config.gap_timeout), (1_000_000, None));
        assert_eq!((config.on_close, config.role), (OnClose::Reset, RelayRole::Both));
        assert!(config.amqp.is_none() && !config.is_kept());
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let error = |arguments: &[&str]| config(arguments).expect_err("refused");
        assert!(error(&["--relay-role", "listen"]).starts_with("AMQP_URL"));
        assert!(error(&["--relay-gap-timeout", "soon"]).contains("not a duration"));
        assert!(error(&["--relay-clients-buffer", "64"]).starts_with("RELAY_CLIENTS_BUFFER_KIB"));
        assert!(error(&["--amqp-url", "amqps://host"]).contains("TLS"));
        let refused = error(&["--amqp-url", "http://user:hunter2@host"]);
        assert!(refused.starts_with("AMQP_URL") && !refused.contains("hunter2"));
    }

    #[test]
    fn the_password_of_rabbitmq_is_not_shown() {
        let config = config(&["--amqp-url", "amqp://user:hunter2@host:5672/%2f"]).expect("valid");
        assert!(config.on_close == OnClose::Continue && config.is_kept());
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
