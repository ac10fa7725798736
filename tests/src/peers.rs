//! Other people's clients, as child processes that speak JSON lines.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{Mutex, watch},
    time::timeout,
};

use crate::{folder, person::Person, wait::PATIENCE};

/// A Socket.IO client that somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// npm's socket.io-client.
    JavaScript,
    /// `PyPI`'s python-socketio.
    Python,
}

/// One connection of such a client.
#[derive(Debug)]
pub struct Peer {
    orders: Mutex<ChildStdin>,
    said: watch::Receiver<Vec<Value>>,
    _child: Child,
}

/// The folder with the clients, installed at the first call.
pub async fn installed() -> Result<PathBuf> {
    let script = folder::repository().join("tests/peers/install.sh");
    let install = Command::new("bash").arg(script).stdin(Stdio::null()).output().await?;
    ensure!(install.status.success(), "cannot install: {}", String::from_utf8_lossy(&install.stderr));
    Ok(folder::repository().join("target/peers"))
}

// === impl Peer ===

impl Peer {
    /// Connects as this person over `transports`: `websocket`, `polling`, or `polling,websocket`.
    pub async fn connect(library: Library, person: &Person, transports: &str) -> Result<Self> {
        let peer = Self::spawn(library, person, &person.token, transports).await?;
        let first = peer.line("a connection", |line| {
            line["connected"].is_string() || line["refused"].is_string() || line["gone"].is_string()
        });
        let first = first.await?;
        ensure!(first["connected"].is_string(), "refused: {first}");
        Ok(peer)
    }

    /// The text that a connection with this token is refused with.
    pub async fn refused(library: Library, person: &Person, token: &str) -> Result<String> {
        let peer = Self::spawn(library, person, token, "websocket").await?;
        let line = peer
            .line("a refusal", |line| line["refused"].is_string() || line["connected"].is_string())
            .await?;
        Ok(line["refused"].as_str().context("was let in")?.to_owned())
    }

    async fn spawn(library: Library, person: &Person, token: &str, transports: &str) -> Result<Self> {
        let installed = installed().await?;
        let scripts = folder::repository().join("tests/peers");
        let mut command = match library {
            Library::JavaScript => {
                let mut command = Command::new("node");
                command
                    .arg(scripts.join("socketio_client.cjs"))
                    .env("NODE_PATH", installed.join("node_modules"));
                command
            }
            Library::Python => {
                let mut command = Command::new(installed.join("venv/bin/python"));
                command.arg(scripts.join("socketio_client.py"));
                command
            }
        };
        let mut child = command
            .args([&format!("http://{}", person.door().address()), token, transports])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().context("no stdin")?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let (ear, said) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "not JSON": line }));
                ear.send_modify(|said| said.push(line));
            }
        });
        Ok(Self { orders: Mutex::new(orders), said, _child: child })
    }

    /// Emits an event; `id`, when given, names the ack.
    pub async fn emit(&self, name: &str, payload: Value, id: Option<u64>) -> Result<()> {
        let mut order = json!({ "emit": name, "payload": payload });
        if let Some(id) = id {
            order["id"] = id.into();
        }
        self.order(&order).await
    }

    /// Emits an event and waits for its ack.
    pub async fn ask(&self, id: u64, name: &str, payload: Value) -> Result<Value> {
        self.emit(name, payload, Some(id)).await?;
        self.ack(id).await
    }

    /// Waits for the ack of an event.
    pub async fn ack(&self, id: u64) -> Result<Value> {
        Ok(self.line(&format!("the ack of {id}"), |line| line["ack"] == id).await?["value"].clone())
    }

    /// Waits for the first event of a name that fits; answers its payload.
    pub async fn hears(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let line = self.line(name, |line| line["heard"] == name && fits(&line["payload"])).await?;
        Ok(line["payload"].clone())
    }

    /// How many events of a name that fit were heard so far.
    pub fn times(&self, name: &str, fits: impl Fn(&Value) -> bool) -> usize {
        let said = self.said.borrow();
        said.iter().filter(|line| line["heard"] == name && fits(&line["payload"])).count()
    }

    /// Hangs up.
    pub async fn disconnect(&self) -> Result<()> {
        self.order(&json!({ "disconnect": true })).await
    }

    /// Waits for the end of the connection.
    pub async fn ended(&self) -> Result<String> {
        let line = self.line("the end", |line| line["ended"].is_string()).await?;
        Ok(line["ended"].as_str().unwrap_or_default().to_owned())
    }

    /// What was heard of a calendar so far: the name and payload of each event with a `seq`, in order.
    pub fn room_events(&self, calendar: &str) -> Vec<(String, Value)> {
        let said = self.said.borrow();
        let events = said
            .iter()
            .filter(|line| line["payload"]["calendar_name"] == calendar && line["payload"]["seq"].is_i64());
        events
            .map(|line| (line["heard"].as_str().unwrap_or_default().to_owned(), line["payload"].clone()))
            .collect()
    }

    async fn order(&self, order: &Value) -> Result<()> {
        let mut orders = self.orders.lock().await;
        orders.write_all(format!("{order}\n").as_bytes()).await?;
        Ok(orders.flush().await?)
    }

    async fn line(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut said = self.said.clone();
        let waiting = said.wait_for(|lines| lines.iter().any(&fits));
        match timeout(PATIENCE, waiting).await {
            Ok(Ok(lines)) => lines.iter().find(|line| fits(line)).cloned().context("gone"),
            _ => bail!(
                "waited in vain for {what}; the client said {:?}",
                self.said.borrow().iter().rev().take(6).collect::<Vec<_>>()
            ),
        }
    }
}
