//! notification-service, its real binary, through stops and kills.

use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgPool;

use crate::{postgres::Postgres, service::Service, system::System};

/// The service, the settings it is started with, and its database.
#[derive(Debug)]
pub struct NotificationService {
    settings: Vec<(&'static str, String)>,
    running: Option<Service>,
    /// Of the load program: nothing here goes through the service.
    database: PgPool,
    /// CPU time of processes that have ended.
    spent: Duration,
}

// === impl NotificationService ===

impl NotificationService {
    /// Starts it beside `system`, so many requests at once to one host.
    pub async fn start(system: &System, per_host: u32) -> Result<Self> {
        let url = system.postgres.notification_url();
        let settings = vec![
            ("NOTIFICATION_DATABASE_URL", url.clone()),
            ("NOTIFICATION_GRPC_LISTEN", system.notification_grpc.to_string()),
            ("NOTIFICATION_ADMIN_LISTEN", system.notification_admin.to_string()),
            ("AUTH_URL", system.auth_uri.clone()),
            ("CALENDAR_URL", system.calendar_uri.clone()),
            ("SERVICE_TOKEN_FILE", system.token_file.display().to_string()),
            // The receiver is on loopback.
            ("WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8".to_owned()),
            ("WEBHOOK_PER_HOST", per_host.to_string()),
        ];
        let database = Postgres::pool(&url).await?;
        let mut this = Self { settings, running: None, database, spent: Duration::ZERO };
        this.go_on(system).await?;
        Ok(this)
    }

    /// Starts it again, after [`Self::stop`] or [`Self::kill`].
    pub async fn go_on(&mut self, system: &System) -> Result<()> {
        let admin = system.notification_admin;
        let mut service = Service::start("notification-service", &system.folder, admin, &self.settings)?;
        service.ready().await?;
        self.running = Some(service);
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> Result<()> {
        let service = self.ended()?;
        service.stop().await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        let service = self.ended()?;
        service.kill().await
    }

    /// Its CPU time up to now, over all its lives; what a stop itself costs is left out.
    pub fn cpu_time(&self) -> Result<Duration> {
        let now = self.running.as_ref().map(|service| service.process().cpu_time()).transpose()?;
        Ok(self.spent + now.unwrap_or_default())
    }

    /// The database of the service.
    pub const fn database(&self) -> &PgPool {
        &self.database
    }

    /// Forgets all timers. Nothing may be on its way.
    pub async fn clear(&self) -> Result<()> {
        sqlx::raw_sql("truncate due_work, deliveries").execute(&self.database).await?;
        Ok(())
    }

    /// Makes all waiting timers due at one moment, so far from now. For a time
    /// at which the service does not run: it would not hear of it at once.
    pub async fn make_due(&self, from_now: Duration) -> Result<(Timestamp, usize)> {
        let at: jiff_sqlx::Timestamp = sqlx::query_scalar("select app_now() + make_interval(secs => $1)")
            .bind(from_now.as_secs_f64())
            .fetch_one(&self.database)
            .await?;
        let at = at.to_jiff();
        let moved = sqlx::query("update due_work set due_at = $1, next_at = $1 where state = 'open'")
            .bind(at.to_sqlx())
            .execute(&self.database)
            .await?;
        // The rows are all dead versions now: a table in use would have been vacuumed by then.
        sqlx::raw_sql("vacuum analyze due_work").execute(&self.database).await?;
        Ok((at, moved.rows_affected() as usize))
    }

    fn ended(&mut self) -> Result<Service> {
        self.spent = self.cpu_time()?;
        self.running.take().context("notification-service does not run")
    }
}
