//! An authenticated read: "which calendars am I in", through the gateway and not.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use chassis::{
    rpc::{authorize, channel},
    tokens::BearerToken,
};
use proto::calendar::v1::{ListCalendarsRequest, calendar_service_client::CalendarServiceClient};
use tonic::transport::Channel;

use crate::{
    http_client::{HttpClient, get},
    load::Caller,
};

/// Asks calendar-service itself, over gRPC, as the gateway does.
#[derive(Clone, Debug)]
pub struct Direct {
    client: CalendarServiceClient<Channel>,
    token: BearerToken,
}

/// Asks the gateway, or what stands in its place, over one kept HTTP/1.1 connection.
#[derive(Debug)]
pub struct ThroughGateway {
    client: HttpClient,
    request: Vec<u8>,
}

// === impl Direct ===

impl Direct {
    /// So many callers on one HTTP/2 connection.
    pub fn connect(calendar_uri: &str, token: &BearerToken, callers: usize) -> Result<Vec<Self>> {
        let client = CalendarServiceClient::new(channel(&calendar_uri.parse()?));
        Ok(vec![Self { client, token: token.clone() }; callers])
    }
}

impl Caller for Direct {
    async fn call(&mut self) -> Result<()> {
        let answer = self.client.list_calendars(authorize(ListCalendarsRequest {}, &self.token)).await?;
        ensure!(answer.into_inner().calendars.len() == 1, "the caller is in one calendar");
        Ok(())
    }
}

// === impl ThroughGateway ===

impl ThroughGateway {
    /// So many callers, each with a connection of its own.
    pub async fn connect(gateway: SocketAddr, token: &BearerToken, callers: usize) -> Result<Vec<Self>> {
        let request = get("/calendar/calendars", token.expose());
        let mut connected = Vec::with_capacity(callers);
        for _ in 0..callers {
            connected.push(Self { client: HttpClient::connect(gateway).await?, request: request.clone() });
        }
        Ok(connected)
    }
}

impl Caller for ThroughGateway {
    async fn call(&mut self) -> Result<()> {
        let body = self.client.call(&self.request).await?.expect(200)?;
        ensure!(body.len() > 50, "the caller is in one calendar");
        Ok(())
    }
}
