//! System tests: the real services, from outside, with faults.
//!
//! A test starts a [`stack::Stack`] (every service in this process, on free
//! ports) or a [`program::Program`] (the real `shared-calendar` binary, which
//! can be killed) or a [`cluster::Cluster`] (several instances of everything); a
//! stack can hand one of its services over to the real program ([`instance::Instance`]). It
//! goes in through its [`door::Door`] as a
//! [`person::Person`] or a [`socket::Socket`], and looks at what is true in
//! the databases through [`truth::Truth`].
//!
//! Tests of promises write each attempt to a [`ledger::Ledger`] before it is
//! sent. Faults come from [`proxy::Proxy`], [`redis_server::RedisServer`], [`trio::Trio`],
//! [`wrong_clock::WrongClock`], [`program::Program`] and `chassis::failpoint`. Nothing here sleeps for a
//! duration: [`wait::until`] looks at a condition until its deadline.

pub mod certificates;
pub mod cluster;
pub mod crew;
pub mod databases;
pub mod door;
pub mod fleet;
pub mod folder;
pub mod follower;
pub mod instance;
pub mod ledger;
pub mod limits;
pub mod load;
pub mod logs;
pub mod peers;
pub mod person;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod redis_server;
pub mod regret;
pub mod room;
pub mod scene;
pub mod services;
pub mod settings;
pub mod socket;
pub mod stack;
pub mod trio;
pub mod truth;
pub mod wait;
pub mod ways;
pub mod wrong_clock;
