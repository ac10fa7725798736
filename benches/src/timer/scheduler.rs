//! Sets timers through the gateway, as anybody does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    account::Account,
    http_client::{HttpClient, get, post},
    load::Caller,
};

/// Until the gateway has found a service that was just started.
const FOUND_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// One connection that sets the same timer again and again.
#[derive(Debug)]
pub struct Scheduler {
    client: HttpClient,
    request: Vec<u8>,
}

// === impl Scheduler ===

impl Scheduler {
    /// A caller that sets timers of so many seconds.
    pub async fn connect(gateway: SocketAddr, account: &Account, seconds: u64, url: &str) -> Result<Self> {
        let timer = json!({ "seconds": seconds, "url": url });
        let request = post("/timers", Some(account.token.expose()), &timer.to_string());
        let mut client = HttpClient::connect(gateway).await?;
        let found = async {
            while client.call(&get("/timers", account.token.expose())).await?.status != 200 {
                sleep(POLL).await;
            }
            anyhow::Ok(())
        };
        timeout(FOUND_WITHIN, found).await.context("the gateway does not find the durable clock")??;
        Ok(Self { client, request })
    }
}

impl Caller for Scheduler {
    async fn call(&mut self) -> Result<()> {
        self.client.call(&self.request).await?.expect(201)?;
        Ok(())
    }
}

/// Sets exactly so many timers, all callers side by side.
pub async fn schedule(callers: Vec<Scheduler>, timers: usize) -> Result<()> {
    let left = Arc::new(AtomicUsize::new(timers));
    let tasks = callers.into_iter().map(|mut caller| {
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            let take = |left: usize| left.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                caller.call().await?;
            }
            anyhow::Ok(())
        })
    });
    for ended in try_join_all(tasks).await? {
        ended?;
    }
    Ok(())
}
