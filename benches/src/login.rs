//! Logging in, through the gateway.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    account::{ACCOUNT_PASSWORD, Account},
    http_client::{HttpClient, post},
    load::Caller,
};

/// Logs one account in, again and again.
#[derive(Debug)]
pub struct Login {
    client: HttpClient,
    request: Vec<u8>,
}

// === impl Login ===

impl Login {
    /// One caller an account, each with a connection of its own.
    pub async fn connect(gateway: SocketAddr, accounts: &[Account]) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(accounts.len());
        for account in accounts {
            let body = json!({"username": &*account.username, "password": ACCOUNT_PASSWORD});
            let request = post("/user/login", None, &body.to_string());
            callers.push(Self { client: HttpClient::connect(gateway).await?, request });
        }
        Ok(callers)
    }
}

impl Caller for Login {
    async fn call(&mut self) -> Result<()> {
        let body = self.client.call(&self.request).await?.expect(200)?;
        ensure!(body.windows(8).any(|window| window == br#""token":"#), "an answer without a token");
        Ok(())
    }
}
