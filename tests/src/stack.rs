//! Every service in this process, on free ports, over databases of the test's own.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use chassis::service_token::ServiceToken;
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::OwnedMutexGuard, task::block_in_place, time::timeout};
use uuid::Uuid;

use crate::{
    certificates::Certificates,
    databases::Databases,
    door::Door,
    instance::Instance,
    limits, logs,
    person::Person,
    regret,
    services::{Addresses, All, Running, Service},
    settings::Variables,
    truth::Truth,
    wait::until,
};

/// Nothing is waited for at a hard stop; a busy machine is given some time.
const HARD_STOP: Duration = Duration::from_secs(10);

/// The failpoints, the metrics and the log are the process': stacks take turns.
static TURN: LazyLock<Arc<tokio::sync::Mutex<()>>> = LazyLock::new(Arc::default);

/// A running system. Dropping it fails the test when a saga or a message between services is unfinished,
/// when the databases disagree, or when an ERROR was logged that nobody expected. (Needs a runtime with
/// several threads.)
pub struct Stack {
    settings: Variables,
    addresses: Addresses,
    service_token: ServiceToken,
    services: All,
    other_gateways: Vec<Running>,
    door: Door,
    truth: Truth,
    databases: Databases,
    expected: Mutex<Vec<String>>,
    /// Where the key file is; gone with the stack.
    _folder: TempDir,
    _turn: OwnedMutexGuard<()>,
}

/// How a stack is to be.
pub struct Builder {
    settings: Variables,
    databases: Option<Databases>,
}

// === impl Builder ===

impl Builder {
    /// Sets a variable, as an operator would.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The contract's rate limits, for tests that are about them.
    pub fn contract_limits(mut self) -> Self {
        for (name, _) in limits::raised() {
            self.settings.remove(name);
        }
        self
    }

    /// Services show each other these certificates.
    pub fn mutual_tls(self, certificates: &Certificates) -> Self {
        let path = |name: &str| certificates.path(name).display().to_string();
        self.set("SERVICE_TLS_CA_FILE", &path("ca.crt"))
            .set("SERVICE_TLS_CERT_FILE", &path("{service}.crt"))
            .set("SERVICE_TLS_KEY_FILE", &path("{service}.key"))
    }

    /// These databases instead of fresh ones.
    pub fn databases(mut self, databases: Databases) -> Self {
        self.databases = Some(databases);
        self
    }

    /// Starts everything and waits until it is ready.
    pub async fn start(self) -> Result<Stack> {
        let turn = Arc::clone(&TURN).lock_owned().await;
        logs::install();
        logs::take_errors();
        chassis::telemetry::recorder("test");
        let databases = match self.databases {
            Some(databases) => databases,
            None => Databases::fresh().await?,
        };
        let folder = tempfile::tempdir()?;
        let addresses = Addresses::free();
        let mut settings = addresses.settings();
        settings.insert("AUTH_DATABASE_URL".to_owned(), databases.auth.clone());
        settings.insert("CALENDAR_DATABASE_URL".to_owned(), databases.calendar.clone());
        settings.insert("NOTIFICATION_DATABASE_URL".to_owned(), databases.notification.clone());
        settings.insert("ACTIVITY_DATABASE_URL".to_owned(), databases.activity.clone());
        settings.insert("AUTH_KEY_FILE".to_owned(), folder.path().join("auth.key").display().to_string());
        // In a file, so that a program beside the stack can be given it.
        let token = folder.path().join("service.token");
        std::fs::write(&token, Uuid::new_v4().simple().to_string())?;
        let service_token = ServiceToken::from_file(&token)?;
        settings.insert("SERVICE_TOKEN_FILE".to_owned(), token.display().to_string());
        settings.extend(self.settings);
        let mut services = All::new();
        for service in Service::ALL {
            services.insert(service, service.start(&settings, &addresses, &service_token).await?);
        }
        let stack = Stack {
            door: Door::new(addresses.gateway)?,
            truth: Truth::of(&databases)?,
            settings,
            addresses,
            service_token,
            services,
            other_gateways: Vec::new(),
            databases,
            expected: Mutex::default(),
            _folder: folder,
            _turn: turn,
        };
        stack.ready().await?;
        Ok(stack)
    }
}

// === impl Stack ===

impl Stack {
    /// A stack with raised rate limits.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// A stack to be.
    pub fn builder() -> Builder {
        let settings = limits::raised().map(|(name, value)| (name.to_owned(), value)).collect();
        Builder { settings, databases: None }
    }

    /// Where clients go in.
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// What is true.
    pub const fn truth(&self) -> &Truth {
        &self.truth
    }

    /// Looks for the truth there from now on: another server is the primary.
    pub fn trust(&mut self, truth: Truth) {
        self.truth = truth;
    }

    /// Somebody new.
    pub async fn person(&self, username: &str) -> Result<Person> {
        self.door.person(username).await
    }

    /// Where the truth is kept.
    pub const fn databases(&self) -> &Databases {
        &self.databases
    }

    /// Where a service listens for the others.
    pub const fn address(&self, service: Service) -> SocketAddr {
        self.addresses.of(service)
    }

    /// Where calendar-service takes sockets from gateways.
    pub const fn sockets(&self) -> SocketAddr {
        self.addresses.sockets()
    }

    /// One more gateway before the same services, which speaks TLS with the certificate `public`.
    pub async fn gateway_with_tls(&mut self, certificates: &Certificates) -> Result<SocketAddr> {
        let addresses = self.addresses.beside(Service::Gateway);
        let mut settings = self.settings.clone();
        settings.extend(addresses.settings());
        for (variable, file) in
            [("GATEWAY_TLS_CERT_FILE", "public.crt"), ("GATEWAY_TLS_KEY_FILE", "public.key")]
        {
            settings.insert(variable.to_owned(), certificates.path(file).display().to_string());
        }
        let gateway = Service::Gateway.start(&settings, &addresses, &self.service_token).await?;
        self.other_gateways.push(gateway);
        Ok(addresses.gateway)
    }

    /// One more gateway before the same services: it has the settings of the first and a memory of its own.
    pub async fn another_gateway(&mut self) -> Result<Door> {
        self.gateway_before(self.addresses).await
    }

    /// One more gateway, whose clients reach this instance of its service and no other.
    pub async fn gateway_to(&mut self, instance: &Instance) -> Result<Door> {
        self.gateway_before(instance.addresses).await
    }

    async fn gateway_before(&mut self, addresses: Addresses) -> Result<Door> {
        let addresses = addresses.beside(Service::Gateway);
        let mut settings = self.settings.clone();
        settings.extend(addresses.settings());
        let gateway = Service::Gateway.start(&settings, &addresses, &self.service_token).await?;
        self.other_gateways.push(gateway);
        let door = Door::new(addresses.gateway)?;
        until("another gateway", async || door.get("/user/status").await.ok().filter(|a| a.status == 200))
            .await?;
        Ok(door)
    }

    /// The metrics of this process, all services together.
    pub fn metrics(&self) -> String {
        chassis::telemetry::render()
    }

    /// An ERROR with this text may be logged.
    pub fn expect_error(&self, text: &str) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    /// Ends a service as SIGTERM does and starts it anew at the same address.
    pub async fn restart(&mut self, service: Service) -> Result<()> {
        self.running(service)?.lifecycle.drain();
        self.replace(service).await
    }

    /// Drops a service in the middle of what it does and starts it anew.
    pub async fn crash(&mut self, service: Service) -> Result<()> {
        self.running(service)?.lifecycle.abort();
        self.replace(service).await
    }

    /// Drops a service here, and answers its program, not started yet, for the same addresses. The
    /// program must outlive the stack, which looks in the end whether everything was finished.
    pub async fn hand_over(&mut self, service: Service) -> Result<Instance> {
        let Some(running) = self.services.remove(&service) else { bail!("no such service") };
        running.lifecycle.abort();
        running.task.await.context("the service panicked")??;
        Instance::new(service, self.addresses, self.settings.clone())
    }

    /// The program of one more instance of a service, not started yet.
    pub fn another(&self, service: Service) -> Result<Instance> {
        Instance::new(service, self.addresses.beside(service), self.settings.clone())
    }

    /// Waits until every service is ready.
    pub async fn ready(&self) -> Result<()> {
        // A service that answers has registered what it needs; only then is a look at it worth something.
        for path in ["/user/status", "/calendar/status"] {
            until(path, async || self.door.get(path).await.ok().filter(|answer| answer.status == 200))
                .await?;
        }
        // The gateway tries an instance's sockets again by itself, some moments after its calls.
        let handshake = "/socket.io/?EIO=4&transport=polling";
        until("sockets", async || self.door.get(handshake).await.ok().filter(|answer| answer.status == 200))
            .await?;
        for (service, running) in &self.services {
            let name = service.name();
            let mut missing = Vec::new();
            let ready = until("readiness", async || {
                missing = running.lifecycle.health().missing();
                (missing.is_empty() || running.task.is_finished()).then_some(())
            });
            ready.await.with_context(|| format!("{name} lacks {missing:?}"))?;
            ensure!(!running.task.is_finished(), "{name} has ended");
        }
        Ok(())
    }

    fn running(&mut self, service: Service) -> Result<&mut Running> {
        self.services.get_mut(&service).context("no such service")
    }

    async fn replace(&mut self, service: Service) -> Result<()> {
        (&mut self.running(service)?.task).await.context("the service panicked")??;
        let running = service.start(&self.settings, &self.addresses, &self.service_token).await?;
        self.services.insert(service, running);
        self.ready().await
    }

    async fn check(&self) -> Result<()> {
        self.truth.must_be_whole().await?;
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut errors = logs::take_errors();
        errors.retain(|line| !expected.iter().any(|text| line.contains(text)));
        ensure!(errors.is_empty(), "unexpected errors in the log:\n{}", errors.join("\n"));
        Ok(())
    }

    /// Drops every service; each must let go at once.
    async fn end(&mut self) -> Result<()> {
        let mut stuck = Vec::new();
        let gateways = self.other_gateways.iter_mut().map(|running| ("another gateway", running));
        let services = self.services.iter_mut().rev().map(|(service, running)| (service.name(), running));
        for (name, running) in gateways.chain(services) {
            running.lifecycle.abort();
            if timeout(HARD_STOP, &mut running.task).await.is_err() {
                running.task.abort();
                stuck.push(name);
            }
        }
        self.truth.close().await;
        if let Err(error) = self.databases.remove().await {
            eprintln!("cannot remove the databases: {error:#}");
        }
        ensure!(stuck.is_empty(), "goes on after the hard stop: {stuck:?}");
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let checked = block_in_place(|| {
            Handle::current().block_on(async {
                let checked = if failing { Ok(()) } else { self.check().await };
                let ended = self.end().await;
                checked.and(if failing { Ok(()) } else { ended })
            })
        });
        if let Err(error) = checked {
            let regret = regret::last();
            panic!(
                "the stack is not as a test should leave it: {error:#}; found wrong in this process before: {regret}"
            );
        }
    }
}
