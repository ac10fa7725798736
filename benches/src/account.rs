//! People: accounts that register and log in as everybody does, and their rooms.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use chassis::{
    rpc::{authorize, channel},
    tokens::BearerToken,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    auth::v1::{LoginRequest, RegisterRequest, auth_service_client::AuthServiceClient},
    calendar::v1::{Calendar, CreateCalendarRequest, calendar_service_client::CalendarServiceClient},
};
use tonic::transport::Channel;

/// Calls at once: the hashes behind them run two at a time.
const AT_ONCE: usize = 4;

/// The password of every calendar here.
pub const CALENDAR_PASSWORD: &str = "calendar password";
/// The password of every account here.
pub const ACCOUNT_PASSWORD: &str = "account password";

/// Somebody with a session.
#[derive(Clone, Debug)]
pub struct Account {
    /// Their name.
    pub username: Arc<str>,
    /// Their access token.
    pub token: BearerToken,
}

// === impl Account ===

impl Account {
    /// Registers an account and logs it in.
    pub async fn create(auth: &AuthServiceClient<Channel>, username: String) -> Result<Self> {
        let password = ACCOUNT_PASSWORD.to_owned();
        let code = String::new();
        let mut auth = auth.clone();
        let register = RegisterRequest { username: username.clone(), password: password.clone(), code };
        auth.register(register).await.context("cannot register")?;
        let login = LoginRequest { username, password, ..LoginRequest::default() };
        let login = auth.login(login).await.context("cannot log in")?.into_inner();
        Ok(Self { username: login.username.into(), token: BearerToken::new(login.token) })
    }

    /// Makes a calendar of which the account is the owner.
    pub async fn create_calendar(&self, calendar_uri: &str, name: &str) -> Result<Calendar> {
        let calendar_name = name.to_owned();
        let calendar_password = CALENDAR_PASSWORD.to_owned();
        let request = CreateCalendarRequest { calendar_name, calendar_password, ..Default::default() };
        let mut client = CalendarServiceClient::new(channel(&calendar_uri.parse()?));
        let calendar = client.create_calendar(authorize(request, &self.token)).await;
        Ok(calendar.context("cannot create a calendar")?.into_inner())
    }
}

/// So many accounts, called `PREFIX-0`, `PREFIX-1` …
pub async fn create_accounts(auth_uri: &str, prefix: &str, count: usize) -> Result<Vec<Account>> {
    let auth = AuthServiceClient::new(channel(&auth_uri.parse()?));
    let names = (0..count).map(|number| format!("{prefix}-{number}"));
    stream::iter(names.map(|name| Account::create(&auth, name))).buffered(AT_ONCE).try_collect().await
}
