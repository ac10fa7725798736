//! Settings of the whole product in one process.
//!
//! Every variable of every service counts here too, but for those that say where the services listen and
//! find each other: that is this process' own business.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;

use chassis::service_token::ServiceToken;
use chassis::tls::WireSettings;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use crate::data_dir;

/// What an operator sets.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Where clients connect.
    #[arg(long, global = true, env = "GATEWAY_LISTEN", default_value = "127.0.0.1:8080")]
    pub gateway_listen: SocketAddr,
    /// Where the operator connects: health, metrics. Never public.
    #[arg(long, global = true, env = "ADMIN_LISTEN", default_value = "127.0.0.1:8079")]
    pub admin_listen: SocketAddr,
    /// Where everything is kept. By default `$XDG_DATA_HOME/shared-calendar`, for root
    /// `/var/lib/shared-calendar`.
    #[arg(long, global = true, env = "DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The folder with PostgreSQL's initdb and postgres. By default the machine is searched.
    #[arg(long, global = true, env = "POSTGRES_BIN_DIR")]
    pub postgres_bin_dir: Option<PathBuf>,
    /// auth-service's database, instead of the embedded one.
    #[arg(long, global = true, env = "AUTH_DATABASE_URL", hide_env_values = true)]
    pub auth_database_url: Option<SecretString>,
    /// calendar-service's database, instead of the embedded one.
    #[arg(long, global = true, env = "CALENDAR_DATABASE_URL", hide_env_values = true)]
    pub calendar_database_url: Option<SecretString>,
    /// notification-service's database, instead of the embedded one.
    #[arg(long, global = true, env = "NOTIFICATION_DATABASE_URL", hide_env_values = true)]
    pub notification_database_url: Option<SecretString>,
    /// activity-service's database, instead of the embedded one.
    #[arg(long, global = true, env = "ACTIVITY_DATABASE_URL", hide_env_values = true)]
    pub activity_database_url: Option<SecretString>,
}

/// Settings that hold together.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub gateway_listen: SocketAddr,
    /// Where the operator connects.
    pub admin_listen: SocketAddr,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The folder with the server programs, when somebody chose it.
    pub postgres_bin_dir: Option<PathBuf>,
    /// auth-service's database, when it is not embedded.
    pub auth_database_url: Option<SecretString>,
    /// calendar-service's database, when it is not embedded.
    pub calendar_database_url: Option<SecretString>,
    /// notification-service's database, when it is not embedded.
    pub notification_database_url: Option<SecretString>,
    /// activity-service's database, when it is not embedded.
    pub activity_database_url: Option<SecretString>,
    /// auth-service's settings; addresses and database are filled in at the start.
    pub auth: auth_service::Settings,
    /// calendar-service's, likewise.
    pub calendar: calendar_service::Settings,
    /// notification-service's, likewise.
    pub notification: notification_service::Settings,
    /// activity-service's, likewise; the relay's addresses are the operator's.
    pub activity: activity_service::Settings,
    /// The gateway's, likewise.
    pub gateway: gateway::config::Settings,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// What is wrong with which variable, in one line.
    pub fn new(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

impl Config {
    /// Whether any database is embedded.
    pub const fn embeds_postgres(&self) -> bool {
        self.auth_database_url.is_none()
            || self.calendar_database_url.is_none()
            || self.notification_database_url.is_none()
            || self.activity_database_url.is_none()
    }
}

impl TryFrom<Settings> for Config {
    type Error = ConfigError;

    fn try_from(settings: Settings) -> Result<Self, ConfigError> {
        let data_dir = settings.data_dir.map_or_else(data_dir::default_path, Ok).map_err(ConfigError::new)?;
        // The embedded server's address is known only later; any will do for a look at the rest.
        let database = |url: &Option<SecretString>| match url {
            Some(url) => url.expose_secret().into(),
            None => OsString::from("postgres://embedded/database"),
        };
        let auth: auth_service::Settings = read([
            ("--database-url", database(&settings.auth_database_url)),
            ("--data-dir", data_dir.clone().into()),
        ])?;
        let calendar: calendar_service::Settings =
            read([("--database-url", database(&settings.calendar_database_url))])?;
        let notification: notification_service::Settings =
            read([("--database-url", database(&settings.notification_database_url))])?;
        let activity: activity_service::Settings =
            read([("--database-url", database(&settings.activity_database_url))])?;
        let gateway: gateway::config::Settings = read([])?;
        for (variable, replicas, url) in [
            ("AUTH", &auth.replica_urls, &settings.auth_database_url),
            ("CALENDAR", &calendar.replica_urls, &settings.calendar_database_url),
            ("NOTIFICATION", &notification.replica_urls, &settings.notification_database_url),
            ("ACTIVITY", &activity.replica_urls, &settings.activity_database_url),
        ] {
            // Nobody replicates the embedded server: one of them would be taken for its successor.
            if url.is_none() && replicas.iter().any(|url| !url.expose_secret().is_empty()) {
                return Err(ConfigError::new(format!(
                    "{variable}_REPLICA_URLS needs {variable}_DATABASE_URL"
                )));
            }
        }
        // Between services of one process there is no network that TLS could keep out.
        let plain = WireSettings::default;
        let auth = auth_service::Settings { wire: plain(), ..auth };
        let calendar = calendar_service::Settings { wire: plain(), ..calendar };
        let notification = notification_service::Settings { wire: plain(), ..notification };
        let activity = activity_service::Settings { wire: plain(), ..activity };
        let gateway = gateway::config::Settings { wire: plain(), ..gateway };
        let token = ServiceToken::random();
        auth.clone().with_token(token.clone()).map_err(ConfigError::new)?;
        calendar.clone().with_token(token.clone()).map_err(ConfigError::new)?;
        notification.clone().with_token(token.clone()).map_err(ConfigError::new)?;
        activity.clone().with_token(token.clone()).map_err(ConfigError::new)?;
        gateway.clone().with_token(token).map_err(ConfigError::new)?;
        Ok(Self {
            gateway_listen: settings.gateway_listen,
            admin_listen: settings.admin_listen,
            data_dir,
            postgres_bin_dir: settings.postgres_bin_dir,
            auth_database_url: settings.auth_database_url,
            calendar_database_url: settings.calendar_database_url,
            notification_database_url: settings.notification_database_url,
            activity_database_url: settings.activity_database_url,
            auth,
            calendar,
            notification,
            activity,
            gateway,
        })
    }
}

/// A service's settings from its variables, but for those given here.
fn read<S: Args>(given: impl IntoIterator<Item = (&'static str, OsString)>) -> Result<S, ConfigError> {
    let command = S::augment_args(clap::Command::new("shared-calendar").no_binary_name(true));
    let arguments = given.into_iter().flat_map(|(name, value)| [OsString::from(name), value]);
    let matches = command.try_get_matches_from(arguments).and_then(|matches| S::from_arg_matches(&matches));
    matches.map_err(|refusal| {
        let text = refusal.to_string();
        let line = text.lines().next().unwrap_or_default();
        ConfigError::new(line.trim_start_matches("error: "))
    })
}
