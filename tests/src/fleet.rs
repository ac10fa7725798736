//! Three instances each of auth-service and calendar-service before two gateways, as the real programs, and one of
//! each over a network that can fail.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;

use crate::{
    certificates::Certificates, door::Door, instance::Instance, proxy::Proxy, redis_server::RedisServer,
    services::Service, stack::Stack, wait::until, ways::Ways,
};

/// Instances of each service.
pub const EACH: usize = 3;
/// Which of them the faults befall.
const VICTIM: usize = 1;
/// Each way, for each packet: a call takes two to four of them and is still answered in time.
const SLOW: Duration = Duration::from_millis(200);

/// What befalls an instance of each service at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGSTOP.
    Frozen,
    /// Everything to and from it takes its time.
    Slow,
    /// Nothing comes through any more, and nobody is told.
    CutOff,
}

/// A running fleet. The stack has what there is once: the databases, notification-service, activity-service.
pub struct Fleet {
    // The first to go: in the end it looks whether everything was finished.
    stack: Stack,
    gateways: Vec<Instance>,
    /// The n-th knows the n-th instance of each service, and no other.
    guides: Vec<Instance>,
    auths: Vec<Instance>,
    calendars: Vec<Instance>,
    networks: Networks,
    _redis: RedisServer,
    _certificates: Certificates,
}

/// How the victims are reached.
#[derive(Debug)]
struct Networks {
    auth: Proxy,
    calendar: Proxy,
    sockets: Proxy,
}

// === impl Fleet ===

impl Fleet {
    /// Starts everything and waits until it is ready.
    pub async fn start() -> Result<Self> {
        let redis = RedisServer::start().await?;
        let certificates = Certificates::made()?;
        let builder = Stack::builder().set("REDIS_URL", &redis.url()).mutual_tls(&certificates);
        // So that a burst of logins finds it full.
        let mut stack = builder.set("HASH_QUEUE", "3").start().await?;
        let mut auths = vec![stack.hand_over(Service::Auth).await?];
        let mut calendars = vec![stack.hand_over(Service::Calendar).await?];
        for _ in 1..EACH {
            auths.push(stack.another(Service::Auth)?);
            calendars.push(stack.another(Service::Calendar)?);
        }
        let networks = Networks {
            auth: Proxy::start(auths[VICTIM].address()).await?,
            calendar: Proxy::start(calendars[VICTIM].address()).await?,
            sockets: Proxy::start(calendars[VICTIM].sockets()).await?,
        };
        let mut this = Self {
            stack,
            gateways: Vec::new(),
            guides: Vec::new(),
            auths,
            calendars,
            networks,
            _redis: redis,
            _certificates: certificates,
        };
        let all = this.addresses(&[0, 1, 2]);
        for instance in this.auths.iter_mut().chain(&mut this.calendars) {
            for (name, value) in &all {
                instance.set(name, value);
            }
        }
        try_join_all(this.auths.iter_mut().chain(&mut this.calendars).map(Instance::start)).await?;
        let gateways = try_join_all((0..2).map(async |_| this.gateway(&[]).await));
        let guides = try_join_all((0..EACH).map(async |n| this.gateway_to(&[n], &[]).await));
        let (gateways, guides) = tokio::try_join!(gateways, guides)?;
        Ok(Self { gateways, guides, ..this })
    }

    /// One more gateway before all instances, with these settings.
    pub async fn gateway(&self, settings: &[(&str, &str)]) -> Result<Instance> {
        self.gateway_to(&[0, 1, 2], settings).await
    }

    async fn gateway_to(&self, instances: &[usize], settings: &[(&str, &str)]) -> Result<Instance> {
        let mut gateway = self.stack.another(Service::Gateway)?;
        let addresses = self.addresses(instances);
        let addresses = addresses.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in addresses.chain(settings.iter().copied()) {
            gateway.set(name, value);
        }
        gateway.start().await?;
        let door = gateway.door()?;
        for path in ["/user/status", "/calendar/status", "/socket.io/?EIO=4&transport=polling"] {
            until(path, async || door.get(path).await.ok().filter(|answer| answer.status == 200)).await?;
        }
        Ok(gateway)
    }

    /// Where these instances are, as settings of whoever calls them.
    fn addresses(&self, instances: &[usize]) -> BTreeMap<&'static str, String> {
        let urls = |address: &dyn Fn(usize) -> SocketAddr| {
            let urls = instances.iter().map(|n| format!("http://{}", address(*n)));
            urls.collect::<Vec<_>>().join(",")
        };
        let by = |network: &Proxy, n: usize, address: SocketAddr| {
            if n == VICTIM { network.address() } else { address }
        };
        let Networks { auth, calendar, sockets } = &self.networks;
        BTreeMap::from([
            ("AUTH_URL", urls(&|n| by(auth, n, self.auths[n].address()))),
            ("CALENDAR_URL", urls(&|n| by(calendar, n, self.calendars[n].address()))),
            ("CALENDAR_SOCKET_URL", urls(&|n| by(sockets, n, self.calendars[n].sockets()))),
        ])
    }

    /// Lets something befall the victims: one instance of each service.
    pub fn hurt(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Frozen => self.victims().try_for_each(Instance::freeze),
            Fault::Slow => {
                self.networks.all().for_each(|network| network.delay(SLOW));
                Ok(())
            }
            Fault::CutOff => {
                self.networks.all().for_each(Proxy::freeze);
                Ok(())
            }
        }
    }

    /// All is well again.
    pub fn heal(&self) -> Result<()> {
        self.networks.all().for_each(Proxy::restore);
        self.instances().try_for_each(Instance::thaw)
    }

    /// SIGSTOP to every instance of calendar-service.
    pub fn freeze_all_calendars(&self) -> Result<()> {
        self.calendars.iter().try_for_each(Instance::freeze)
    }

    /// The instances that faults befall.
    pub fn victims(&self) -> impl Iterator<Item = &Instance> {
        [&self.auths[VICTIM], &self.calendars[VICTIM]].into_iter()
    }

    /// The other ones.
    pub fn others(&self) -> impl Iterator<Item = &Instance> {
        let all = self.auths.iter().enumerate().chain(self.calendars.iter().enumerate());
        all.filter(|(n, _)| *n != VICTIM).map(|(_, instance)| instance)
    }

    /// Every instance of auth-service and calendar-service.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.auths.iter().chain(&self.calendars)
    }

    /// The gateways that know all instances.
    pub fn gateways(&self) -> &[Instance] {
        &self.gateways
    }

    /// The way in to the n-th instance of each service, and to no other.
    pub fn only(&self, n: usize) -> Result<Door> {
        self.guides.get(n).context("no such instance")?.door()
    }

    /// The way in to the victims, and to nobody else.
    pub fn only_victims(&self) -> Result<Door> {
        self.only(VICTIM)
    }

    /// The ways in for people who do not care who answers.
    pub fn ways(&self) -> Result<Ways> {
        let doors = self.gateways.iter().map(Instance::door).collect::<Result<_>>()?;
        let operators = self.gateways.iter().map(Instance::operator).collect::<Result<_>>()?;
        Ok(Ways::through(doors, operators))
    }

    /// What there is once.
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Fails when somebody has ended, or logged an error.
    pub fn must_be_well(&mut self) -> Result<()> {
        let programs = self.auths.iter_mut().chain(&mut self.calendars).chain(&mut self.gateways);
        for program in programs.chain(&mut self.guides) {
            ensure!(program.is_running()?, "{} has ended", program.name());
            let mut errors = program.errors();
            // Who was frozen in the middle of a transaction finds that the database has ended it.
            errors.retain(|line| !line.contains("idle-in-transaction timeout"));
            ensure!(errors.is_empty(), "{} logged {:#?}", program.name(), &errors[..errors.len().min(8)]);
        }
        Ok(())
    }
}

// === impl Networks ===

impl Networks {
    fn all(&self) -> impl Iterator<Item = &Proxy> {
        [&self.auth, &self.calendar, &self.sockets].into_iter()
    }
}
