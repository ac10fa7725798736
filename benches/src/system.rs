//! The whole product as separate processes, so that each one's cost is its own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    ops::{AddAssign, Sub},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use uuid::Uuid;

use crate::{
    callgrind,
    doors::Doors,
    machine,
    postgres::Postgres,
    process::Process,
    redis::Redis,
    service::{Service, free_addresses},
};

/// More requests a minute than any machine sends: the limits of the contract
/// stay in the path, and refuse nothing.
const UNLIMITED: u32 = 100_000_000;
/// Frames a second from one socket, likewise.
const SOCKET_FRAMES: u32 = 10_000;

/// PostgreSQL, auth-service, one or more of calendar-service, and a gateway.
#[derive(Debug)]
pub struct System {
    /// The database server.
    pub postgres: Postgres,
    /// Where the gateway listens.
    pub gateway_address: SocketAddr,
    /// Where each calendar-service listens for sockets.
    pub socket_addresses: Vec<SocketAddr>,
    /// auth-service's gRPC.
    pub auth_uri: String,
    /// The first calendar-service's gRPC.
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
    calendars: Vec<Service>,
    /// What several of calendar-service tell each other by.
    redis: Option<Redis>,
    gateway: Service,
    /// What stands between the gateway and the first calendar-service.
    doors: Doors,
    // Of the folder, for as long as the run takes.
    _lock: File,
}

/// What a system is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// So many of calendar-service.
    pub instances: usize,
    /// The gateway finds the first one, and no other, at so many addresses; 0: all of them, where they are.
    pub doors: usize,
    /// The gateway's instructions can be counted (see [`callgrind`]).
    pub counted: bool,
}

/// CPU time per process, up to a moment or between two.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTimes {
    /// The gateway.
    pub gateway: Duration,
    /// auth-service.
    pub auth: Duration,
    /// calendar-service, all instances.
    pub calendar: Duration,
    /// PostgreSQL, all its processes.
    pub postgres: Duration,
    /// The load program itself.
    pub load: Duration,
}

// === impl Shape ===

impl Default for Shape {
    fn default() -> Self {
        Self { instances: 1, doors: 0, counted: false }
    }
}

// === impl System ===

impl System {
    /// Starts everything anew under `target/bench/NAME`, one of each.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_as(name, Shape::default()).await
    }

    /// Likewise, with so many of calendar-service, and a Redis between several.
    pub async fn start_several(name: &str, instances: usize) -> Result<Self> {
        Self::start_as(name, Shape { instances, ..Shape::default() }).await
    }

    /// Likewise, of any shape.
    pub async fn start_as(name: &str, shape: Shape) -> Result<Self> {
        let Shape { instances, doors, counted } = shape;
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
            gateway_address,
            auth_admin,
            gateway_admin,
            activity_grpc,
            activity_admin,
            notification_grpc,
            notification_admin,
        ] = free_addresses();
        let auth_uri = format!("http://{auth_grpc}");
        let redis = if instances > 1 { Some(Redis::start(&folder).await?) } else { None };
        let places: Vec<[SocketAddr; 3]> = (0..instances).map(|_| free_addresses()).collect();
        let (grpc_addresses, socket_addresses): (Vec<_>, Vec<_>) =
            places.iter().map(|[grpc, socket, _]| (*grpc, *socket)).unzip();
        let doors = Doors::open(doors, grpc_addresses[0]).await?;
        let endpoints = if doors.addresses().is_empty() { &grpc_addresses } else { doors.addresses() };
        let (calendar_uris, endpoint_uris) = (uris(&grpc_addresses), uris(endpoints));
        let data_dir = ("DATA_DIR", folder.display().to_string());

        let auth = [
            data_dir.clone(),
            ("AUTH_DATABASE_URL", postgres.auth_url()),
            ("AUTH_GRPC_LISTEN", auth_grpc.to_string()),
            ("AUTH_ADMIN_LISTEN", auth_admin.to_string()),
            ("AUTH_KEY_FILE", folder.join("auth.key").display().to_string()),
            ("CALENDAR_URL", calendar_uris),
            ("SERVICE_TOKEN_FILE", token.clone()),
        ];
        let calendar = [
            data_dir.clone(),
            ("CALENDAR_DATABASE_URL", postgres.calendar_url()),
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
            ("CALENDAR_URL", endpoint_uris),
            ("NOTIFICATION_URL", format!("http://{notification_grpc}")),
            ("CALENDAR_SOCKET_URL", uris(&socket_addresses)),
            ("ACTIVITY_URL", format!("http://{activity_grpc}")),
            ("PUBLIC_ORIGIN", format!("http://{gateway_address}")),
            ("SERVICE_TOKEN_FILE", token),
        ];
        let limits = ["REGISTER", "LOGIN", "CREATE_CALENDAR", "GET_EVENTS", "LIST_EVENTS", "DEFAULT", "OPEN"];
        let names = limits.map(|limit| format!("LIMIT_{limit}"));
        gateway.extend(names.iter().map(|name| (name.as_str(), UNLIMITED.to_string())));

        let mut auth = Service::start("auth-service", &folder, auth_admin, &auth)?;
        let mut calendars = start_calendars(&folder, &calendar, &places, redis.as_ref())?;
        let wrapper = if counted { callgrind::wrapper(&folder) } else { Vec::new() };
        let mut gateway = Service::start_under(&wrapper, "gateway", &folder, gateway_admin, &gateway)?;
        for service in [&mut auth].into_iter().chain(&mut calendars).chain([&mut gateway]) {
            service.ready().await?;
        }
        Ok(Self {
            postgres,
            gateway_address,
            socket_addresses,
            auth_uri,
            calendar_uri: format!("http://{}", grpc_addresses[0]),
            activity_grpc,
            activity_admin,
            notification_grpc,
            notification_admin,
            token_file,
            folder,
            auth,
            calendars,
            redis,
            gateway,
            doors,
            _lock: lock,
        })
    }

    /// The CPU time of each process up to now.
    pub fn cpu_times(&self) -> Result<CpuTimes> {
        Ok(CpuTimes {
            gateway: self.gateway.process().cpu_time()?,
            auth: self.auth.process().cpu_time()?,
            calendar: self
                .calendars
                .iter()
                .try_fold(Duration::ZERO, |sum, calendar| anyhow::Ok(sum + calendar.process().cpu_time()?))?,
            postgres: self.postgres.process().family_cpu_time()?,
            load: Process::current().cpu_time()?,
        })
    }

    /// The first calendar-service's process.
    pub fn calendar(&self) -> Process {
        self.calendars[0].process()
    }

    /// The gateway's process.
    pub const fn gateway(&self) -> Process {
        self.gateway.process()
    }

    /// Ends everything, the gateway first.
    pub async fn stop(self) -> Result<()> {
        for service in [self.gateway].into_iter().chain(self.calendars).chain([self.auth]) {
            service.stop().await?;
        }
        if let Some(redis) = self.redis {
            redis.stop().await?;
        }
        self.doors.close()?;
        self.postgres.stop().await
    }
}

/// One calendar-service at each of these places (gRPC, sockets, operators), with these settings besides.
fn start_calendars(
    folder: &Path,
    settings: &[(&'static str, String)],
    places: &[[SocketAddr; 3]],
    redis: Option<&Redis>,
) -> Result<Vec<Service>> {
    let workers = machine::cores().div_ceil(places.len());
    let start = |(number, [grpc, socket, admin]): (usize, &[SocketAddr; 3])| {
        let mut settings = settings.to_vec();
        settings.extend([
            ("CALENDAR_GRPC_LISTEN", grpc.to_string()),
            ("CALENDAR_SOCKET_LISTEN", socket.to_string()),
            ("CALENDAR_ADMIN_LISTEN", admin.to_string()),
            // Each has its share of the cores, as docs/OPERATIONS.md advises.
            ("TOKIO_WORKER_THREADS", workers.to_string()),
        ]);
        settings.extend(redis.map(|redis| ("REDIS_URL", redis.url())));
        let instance = format!("calendar-service-{number}");
        Service::start_one("calendar-service", &instance, folder, *admin, &settings)
    };
    (1..).zip(places).map(start).collect()
}

/// As the services' settings have them.
fn uris(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| format!("http://{address}")).collect::<Vec<_>>().join(",")
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
