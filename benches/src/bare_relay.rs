//! The least that any gateway has to do: HTTP/1.1 in, HTTP/2 out, and not a look at
//! anything, on one thread. What it costs is what the kernel and the libraries take of a gateway's
//! cost on this machine; threads that wake each other come on top.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use chassis::{rpc::TOKEN, tokens::BearerToken};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, client::conn::http2, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, stdin},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::timeout,
};

use crate::process::Process;

/// The argument with which a bench runs as the relay.
pub const ARGUMENT: &str = "bare-relay";
/// An empty message, as gRPC frames it.
const EMPTY: &[u8] = &[0; 5];
const PATH: &str = "/calendar.v1.CalendarService/ListCalendars";

/// How long it may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(10);

type Sender = http2::SendRequest<Full<Bytes>>;

/// The running program as a relay, in a process of its own, which ends with it.
#[derive(Debug)]
pub struct BareRelay {
    child: Child,
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

// === impl BareRelay ===

impl BareRelay {
    /// Starts one before a calendar-service, for calls of one account.
    pub async fn start(calendar_uri: &str, token: &BearerToken) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, calendar_uri])
            .env("TOKEN", token.expose())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let process = Process::new(child.id().context("it ended at once")?);
        let output = child.stdout.take().context("it has no output")?;
        let mut address = String::new();
        timeout(READY_WITHIN, BufReader::new(output).read_line(&mut address)).await??;
        let address = address.trim().parse().context("it says where it listens")?;
        Ok(Self { child, process, address })
    }

    /// Its process.
    pub const fn process(&self) -> Process {
        self.process
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("it cannot be ended")
    }
}

/// Is the relay until its input ends, as it does with whoever started it. Says where it listens.
pub async fn serve(calendar_uri: &str) -> Result<()> {
    let (mut input, mut nothing) = (stdin(), Vec::new());
    tokio::select! {
        served = relay_all(calendar_uri) => served,
        ended = input.read_to_end(&mut nothing) => ended.map(drop).map_err(Into::into),
    }
}

async fn relay_all(calendar_uri: &str) -> Result<()> {
    let token: Bytes = std::env::var("TOKEN")?.into();
    let authority = calendar_uri.strip_prefix("http://").context("the address of calendar-service")?;
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) =
        http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let uri = format!("{calendar_uri}{PATH}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (sender, uri, token) = (sender.clone(), uri.clone(), token.clone());
        let service = service_fn(move |_| relay(sender.clone(), uri.clone(), token.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn relay(sender: Sender, uri: String, token: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match ask(sender, uri, token).await {
        Ok(body) => Response::new(Full::new(body)),
        Err(error) => {
            let mut response = Response::new(Full::new(error.to_string().into()));
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            response
        }
    })
}

async fn ask(mut sender: Sender, uri: String, token: Bytes) -> Result<Bytes> {
    let request = Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(TOKEN, http::HeaderValue::from_maybe_shared(token)?)
        .body(Full::new(Bytes::from_static(EMPTY)))?;
    Ok(sender.send_request(request).await?.into_body().collect().await?.to_bytes())
}
