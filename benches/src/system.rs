//! The whole product as separate processes, so that each one's cost is its own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    ops::{AddAssign, Sub},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result};
use uuid::Uuid;

use crate::{
    machine,
    postgres::Postgres,
    process::Process,
    service::{Service, free_addresses},
};

/// More requests a minute than any machine sends: the limits of the contract
/// stay in the path, and refuse nothing.
const UNLIMITED: u32 = 100_000_000;
/// Frames a second from one socket, likewise.
const SOCKET_FRAMES: u32 = 10_000;

/// PostgreSQL, auth-service, calendar-service and gateway.
#[derive(Debug)]
pub struct System {
    /// The database server.
    pub postgres: Postgres,
    /// Where the gateway listens.
    pub gateway_address: SocketAddr,
    /// Where calendar-service listens for sockets.
    pub socket_address: SocketAddr,
    /// auth-service's gRPC.
    pub auth_uri: String,
    /// calendar-service's gRPC.
    pub calendar_uri: String,
    /// Where activity-service is looked for; a program that needs it starts it there.
    pub activity_grpc: SocketAddr,
    /// Its operator's listener.
    pub activity_admin: SocketAddr,
    /// Where notification-service is looked for; a program that needs it starts it there.
    pub notification_grpc: SocketAddr,
    /// Its operator's listener.
    pub notification_admin: SocketAddr,
    /// The secret of the services.
    pub token_file: PathBuf,
    /// Logs and data.
    pub folder: PathBuf,
    auth: Service,
    calendar: Service,
    gateway: Service,
    // Of the folder, for as long as the run takes.
    _lock: File,
}

/// CPU time per process, up to a moment or between two.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTimes {
    /// The gateway.
    pub gateway: Duration,
    /// auth-service.
    pub auth: Duration,
    /// calendar-service.
    pub calendar: Duration,
    /// PostgreSQL, all its processes.
    pub postgres: Duration,
    /// The load program itself.
    pub load: Duration,
}

// === impl System ===

impl System {
    /// Starts everything anew under `target/bench/NAME`.
    pub async fn start(name: &str) -> Result<Self> {
        let descriptors = machine::raise_descriptors();
        let folder = folder()?.join(name);
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().with_context(|| format!("{} is in use by another run", folder.display()))?;
        println!("{}; {descriptors} open files a process; logs in {}", machine::describe(), folder.display());
        let postgres = Postgres::start(&folder).await?;
        let token_file = folder.join("service-token");
        fs::write(&token_file, Uuid::now_v7().to_string())?;
        let token = token_file.display().to_string();
        let [
            auth_grpc,
            calendar_grpc,
            socket_address,
            gateway_address,
            auth_admin,
            calendar_admin,
            gateway_admin,
            activity_grpc,
            activity_admin,
            notification_grpc,
            notification_admin,
        ] = free_addresses()?;
        let auth_uri = format!("http://{auth_grpc}");
        let calendar_uri = format!("http://{calendar_grpc}");
        let data_dir = ("DATA_DIR", folder.display().to_string());

        let auth = [
            data_dir.clone(),
            ("AUTH_DATABASE_URL", postgres.auth_url()),
            ("AUTH_GRPC_LISTEN", auth_grpc.to_string()),
            ("AUTH_ADMIN_LISTEN", auth_admin.to_string()),
            ("AUTH_KEY_FILE", folder.join("auth.key").display().to_string()),
            ("CALENDAR_URL", calendar_uri.clone()),
            ("SERVICE_TOKEN_FILE", token.clone()),
        ];
        let calendar = [
            data_dir.clone(),
            ("CALENDAR_DATABASE_URL", postgres.calendar_url()),
            ("CALENDAR_GRPC_LISTEN", calendar_grpc.to_string()),
            ("CALENDAR_SOCKET_LISTEN", socket_address.to_string()),
            ("CALENDAR_ADMIN_LISTEN", calendar_admin.to_string()),
            ("AUTH_URL", auth_uri.clone()),
            ("NOTIFICATION_URL", format!("http://{notification_grpc}")),
            ("SERVICE_TOKEN_FILE", token.clone()),
            ("SOCKET_FRAMES", SOCKET_FRAMES.to_string()),
            ("SOCKET_FRAME_BURST", SOCKET_FRAMES.to_string()),
        ];
        let mut gateway = vec![
            data_dir,
            ("GATEWAY_LISTEN", gateway_address.to_string()),
            ("GATEWAY_ADMIN_LISTEN", gateway_admin.to_string()),
            ("AUTH_URL", auth_uri.clone()),
            ("CALENDAR_URL", calendar_uri.clone()),
            ("NOTIFICATION_URL", format!("http://{notification_grpc}")),
            ("CALENDAR_SOCKET_URL", format!("http://{socket_address}")),
            ("ACTIVITY_URL", format!("http://{activity_grpc}")),
            ("PUBLIC_ORIGIN", format!("http://{gateway_address}")),
            ("SERVICE_TOKEN_FILE", token),
        ];
        let limits = ["REGISTER", "LOGIN", "CREATE_CALENDAR", "GET_EVENTS", "LIST_EVENTS", "DEFAULT", "OPEN"];
        let names = limits.map(|limit| format!("LIMIT_{limit}"));
        gateway.extend(names.iter().map(|name| (name.as_str(), UNLIMITED.to_string())));

        let mut auth = Service::start("auth-service", &folder, auth_admin, &auth)?;
        let mut calendar = Service::start("calendar-service", &folder, calendar_admin, &calendar)?;
        let mut gateway = Service::start("gateway", &folder, gateway_admin, &gateway)?;
        for service in [&mut auth, &mut calendar, &mut gateway] {
            service.ready().await?;
        }
        Ok(Self {
            postgres,
            gateway_address,
            socket_address,
            auth_uri,
            calendar_uri,
            activity_grpc,
            activity_admin,
            notification_grpc,
            notification_admin,
            token_file,
            folder,
            auth,
            calendar,
            gateway,
            _lock: lock,
        })
    }

    /// The CPU time of each process up to now.
    pub fn cpu_times(&self) -> Result<CpuTimes> {
        Ok(CpuTimes {
            gateway: self.gateway.process().cpu_time()?,
            auth: self.auth.process().cpu_time()?,
            calendar: self.calendar.process().cpu_time()?,
            postgres: self.postgres.process().family_cpu_time()?,
            load: Process::current().cpu_time()?,
        })
    }

    /// calendar-service's process.
    pub const fn calendar(&self) -> Process {
        self.calendar.process()
    }

    /// The gateway's process.
    pub const fn gateway(&self) -> Process {
        self.gateway.process()
    }

    /// Ends everything, the gateway first.
    pub async fn stop(self) -> Result<()> {
        for service in [self.gateway, self.calendar, self.auth] {
            service.stop().await?;
        }
        self.postgres.stop().await
    }
}

/// `target/bench`, beside the folder that this program was built into.
fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(|profile| profile.parent());
    Ok(target.context("the program lies in no target folder")?.join("bench"))
}

// === impl CpuTimes ===

impl CpuTimes {
    /// All of the product: without the load program.
    pub fn product(&self) -> Duration {
        self.gateway + self.auth + self.calendar + self.postgres
    }
}

impl Sub for CpuTimes {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            gateway: self.gateway.saturating_sub(earlier.gateway),
            auth: self.auth.saturating_sub(earlier.auth),
            calendar: self.calendar.saturating_sub(earlier.calendar),
            postgres: self.postgres.saturating_sub(earlier.postgres),
            load: self.load.saturating_sub(earlier.load),
        }
    }
}

impl AddAssign for CpuTimes {
    fn add_assign(&mut self, more: Self) {
        self.gateway += more.gateway;
        self.auth += more.auth;
        self.calendar += more.calendar;
        self.postgres += more.postgres;
        self.load += more.load;
    }
}
