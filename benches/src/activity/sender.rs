//! Batches of events, through the gateway and by gRPC alone.

use std::{fmt::Write as _, net::SocketAddr};

use anyhow::{Context as _, Result, ensure};
use chassis::{
    clock::{Clock as _, SystemClock},
    rpc::{authorize, channel},
};
use jiff::{SignedDuration, Timestamp};
use proto::activity::v1::{RecordEventsRequest, activity_service_client::ActivityServiceClient};
use tonic::transport::Channel;

use crate::{
    account::Account,
    http_client::{HttpClient, post},
    load::Caller,
};

/// What a device does, over and over: a launch that is followed up, a training
/// that is too short to be told, and something that no rule knows.
const DAY: [&str; 4] =
    ["APP_LAUNCHED", "TRAINING_PROGRAM_STARTED", "TRAINING_PROGRAM_CANCELLED", "HEART_RATE_MEASURED"];
/// Between two events of a device.
const STEP: SignedDuration = SignedDuration::from_secs(30);

/// Makes up the events of some devices, batch after batch.
#[derive(Clone, Debug)]
pub struct Batches {
    devices: usize,
    size: usize,
    at: Timestamp,
    made: usize,
}

/// Posts batches to the gateway.
#[derive(Debug)]
pub struct Posted {
    client: HttpClient,
    account: Account,
    batches: Batches,
}

/// Sends batches to activity-service itself.
#[derive(Clone, Debug)]
pub struct Direct {
    client: ActivityServiceClient<Channel>,
    account: Account,
    batches: Batches,
}

// === impl Batches ===

impl Batches {
    /// Batches of `size` events of so many devices.
    pub fn new(devices: usize, size: usize) -> Self {
        Self { devices, size, at: SystemClock.now(), made: 0 }
    }

    /// The next batch, an event an element.
    fn make(&mut self) -> Vec<String> {
        (0..self.size).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> String {
        let device = self.made % self.devices;
        let turn = self.made / self.devices;
        self.made += 1;
        if device == 0 {
            self.at += STEP;
        }
        let (kind, at) = (DAY[turn % DAY.len()], self.at);
        let mut event = String::with_capacity(160);
        let _ = write!(
            event,
            r#"{{"deviceId":"device-{device:04}","type":"{kind}","timestamp":"{at:.0}","details":{{"programId":"2352","programTitle":"7 Minutes"}}}}"#
        );
        event
    }
}

// === impl Posted ===

impl Posted {
    /// Connects to the gateway.
    pub async fn connect(gateway: SocketAddr, account: &Account, batches: Batches) -> Result<Self> {
        Ok(Self { client: HttpClient::connect(gateway).await?, account: account.clone(), batches })
    }
}

impl Caller for Posted {
    async fn call(&mut self) -> Result<()> {
        let body = format!("[{}]", self.batches.make().join(","));
        let request = post("/v1/event", Some(self.account.token.expose()), &body);
        let answer = self.client.call(&request).await?.expect(202)?;
        let all = format!(r#""details":{{"kept":{},"refused":0}}}}"#, self.batches.size);
        ensure!(answer.ends_with(all.as_bytes()), "not all were kept: {}", String::from_utf8_lossy(answer));
        Ok(())
    }
}

// === impl Direct ===

impl Direct {
    /// Connects to activity-service.
    pub fn connect(uri: &str, account: &Account, batches: Batches) -> Result<Self> {
        Ok(Self {
            client: ActivityServiceClient::new(channel(&uri.parse()?)),
            account: account.clone(),
            batches,
        })
    }
}

impl Caller for Direct {
    async fn call(&mut self) -> Result<()> {
        let request =
            RecordEventsRequest { events_json: self.batches.make(), idempotency_key: String::new() };
        let answer = self.client.record_events(authorize(request, &self.account.token)).await;
        let results = answer.context("cannot record events")?.into_inner().results;
        let kept = results.iter().filter(|result| result.errors.is_empty()).count();
        ensure!(kept == self.batches.size, "{kept} of {} were kept", self.batches.size);
        Ok(())
    }
}
