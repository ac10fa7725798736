//! The ordered relay under ten million events: source, clients and oracle in this
//! program, the service and RabbitMQ as processes of their own.
//!
//! [`stream::Stream`] is made beforehand, with what each client is to be told:
//! how many bytes, and a sum over them that any change of order would change.
//! [`crowd`] connects the clients and reads; the run fails when one of them is
//! told anything else.

pub mod crowd;
pub mod rabbitmq;
pub mod stream;
pub mod sum;

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};
use uuid::Uuid;

use self::{crowd::Crowd, rabbitmq::RabbitMq, stream::Stream};
use crate::{
    machine,
    postgres::Postgres,
    process::Process,
    service::{Service, free_addresses},
};

/// One run of a whole stream.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the first byte written to the last one read.
    pub time: Duration,
    /// CPU of activity-service.
    pub server: Duration,
    /// CPU of RabbitMQ.
    pub rabbitmq: Duration,
    /// CPU of this program: source and clients.
    pub load: Duration,
    /// The most memory that activity-service ever had.
    pub peak: u64,
}

/// Where the logs and data of a run are.
fn folder(name: &str) -> Result<std::path::PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).context("the program lies in no target folder")?;
    let folder = target.join("bench").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Sends `stream` through a new activity-service: within one process, or through RabbitMQ.
pub async fn run(stream: &Stream, through_rabbitmq: bool) -> Result<Run> {
    let folder = folder(if through_rabbitmq { "relay-rabbitmq" } else { "relay" })?;
    machine::raise_descriptors();
    let postgres = Postgres::start(&folder).await?;
    let rabbitmq =
        if through_rabbitmq { Some(RabbitMq::start(&folder.join("rabbitmq")).await?) } else { None };
    let [admin, sources, clients, grpc] = free_addresses();
    let token = folder.join("service-token");
    fs::write(&token, Uuid::now_v7().to_string())?;
    let mut settings = vec![
        ("ACTIVITY_DATABASE_URL", postgres.activity_url()),
        ("ACTIVITY_ADMIN_LISTEN", admin.to_string()),
        ("ACTIVITY_GRPC_LISTEN", grpc.to_string()),
        ("SERVICE_TOKEN_FILE", token.display().to_string()),
        ("RELAY_SOURCE_LISTEN", sources.to_string()),
        ("RELAY_CLIENT_LISTEN", clients.to_string()),
        ("RELAY_ON_CLOSE", "reset".to_owned()),
    ];
    settings.extend(rabbitmq.as_ref().map(|rabbitmq| ("AMQP_URL", rabbitmq.url().to_owned())));
    // Not waited for until it is ready: the relay does without the services that the rest waits for.
    let service = Service::start("activity-service", &folder, admin, &settings)?;
    let measured = measure(stream, &service, rabbitmq.as_ref(), (sources, clients, admin)).await;
    service.stop().await?;
    drop(rabbitmq);
    postgres.stop().await?;
    measured
}

async fn measure(
    stream: &Stream,
    service: &Service,
    rabbitmq: Option<&RabbitMq>,
    (sources, clients, admin): (SocketAddr, SocketAddr, SocketAddr),
) -> Result<Run> {
    let crowd = Crowd::connect(clients, admin, stream.expected()).await?;
    let broker = || rabbitmq.map_or(Ok(Duration::ZERO), |rabbitmq| rabbitmq.process().family_cpu_time());
    let cpu =
        || Ok::<_, anyhow::Error>([service.process().cpu_time()?, broker()?, Process::current().cpu_time()?]);
    let before = cpu()?;
    let started = Instant::now();
    let mut source = TcpStream::connect(sources).await?;
    let (written, heard) = tokio::join!(source.write_all(stream.bytes()), crowd.hear());
    written?;
    heard?;
    let (time, after) = (started.elapsed(), cpu()?);
    let spent = |place: usize| after[place].saturating_sub(before[place]);
    Ok(Run {
        time,
        server: spent(0),
        rabbitmq: spent(1),
        load: spent(2),
        peak: service.process().peak_memory()?,
    })
}
