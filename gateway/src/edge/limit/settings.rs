//! Every limit is a setting; its default is the contract's (CONTRACTS, tables).

use std::num::NonZeroU32;

/// What costs a password hash, or is dear to the source's contract.
const FEW: NonZeroU32 = figure(5);
const SOME: NonZeroU32 = figure(120);
const MANY: NonZeroU32 = figure(600);
const PLENTY: NonZeroU32 = figure(6000);
const KEYS: usize = 200_000;

/// Requests a minute, by route.
#[derive(Clone, Debug, clap::Args)]
pub struct LimitSettings {
    /// `POST /user/register`, per client address.
    #[arg(long = "limit-register", env = "LIMIT_REGISTER", default_value_t = FEW)]
    pub register: NonZeroU32,
    /// `POST /user/login`, per client address.
    #[arg(long = "limit-login", env = "LIMIT_LOGIN", default_value_t = FEW)]
    pub login: NonZeroU32,
    /// `POST /user/password`, per account.
    #[arg(long = "limit-password", env = "LIMIT_PASSWORD", default_value_t = FEW)]
    pub password: NonZeroU32,
    /// `DELETE /user`, per account.
    #[arg(long = "limit-delete-account", env = "LIMIT_DELETE_ACCOUNT", default_value_t = FEW)]
    pub delete_account: NonZeroU32,
    /// `POST /calendar/create_calendar`, per account.
    #[arg(long = "limit-create-calendar", env = "LIMIT_CREATE_CALENDAR", default_value_t = FEW)]
    pub create_calendar: NonZeroU32,
    /// `GET /calendar/get_events`, per account.
    #[arg(long = "limit-get-events", env = "LIMIT_GET_EVENTS", default_value_t = FEW)]
    pub get_events: NonZeroU32,
    /// `GET …/calendars/{id}/events`, per account.
    #[arg(long = "limit-list-events", env = "LIMIT_LIST_EVENTS", default_value_t = SOME)]
    pub list_events: NonZeroU32,
    /// `GET …/calendars/{id}/changes`, per account.
    #[arg(long = "limit-list-changes", env = "LIMIT_LIST_CHANGES", default_value_t = SOME)]
    pub list_changes: NonZeroU32,
    /// `GET …/calendars/{id}/messages`, per account.
    #[arg(long = "limit-list-messages", env = "LIMIT_LIST_MESSAGES", default_value_t = SOME)]
    pub list_messages: NonZeroU32,
    /// Each route without a figure of its own, per account.
    #[arg(long = "limit-default", env = "LIMIT_DEFAULT", default_value_t = MANY)]
    pub default: NonZeroU32,
    /// Each of status, keys, documents and Socket.IO requests, per client address.
    #[arg(long = "limit-open", env = "LIMIT_OPEN", default_value_t = PLENTY)]
    pub open: NonZeroU32,
    /// Accounts and addresses that are counted at once; past it those that have
    /// spent least are forgotten.
    #[arg(long = "limit-keys", env = "LIMIT_KEYS", default_value_t = KEYS)]
    pub keys: usize,
}

// === impl LimitSettings ===

impl LimitSettings {
    /// The figure of a route, by the name it gives its budget.
    pub(super) fn figure(&self, route: &str) -> NonZeroU32 {
        match route {
            "register" => self.register,
            "login" => self.login,
            "password" => self.password,
            "delete_account" => self.delete_account,
            "create_calendar" => self.create_calendar,
            "get_events" => self.get_events,
            "list_events" => self.list_events,
            "list_changes" => self.list_changes,
            "list_messages" => self.list_messages,
            _ => self.default,
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            register: FEW,
            login: FEW,
            password: FEW,
            delete_account: FEW,
            create_calendar: FEW,
            get_events: FEW,
            list_events: SOME,
            list_changes: SOME,
            list_messages: SOME,
            default: MANY,
            open: PLENTY,
            keys: KEYS,
        }
    }
}

const fn figure(per_minute: u32) -> NonZeroU32 {
    match NonZeroU32::new(per_minute) {
        Some(figure) => figure,
        None => NonZeroU32::MIN,
    }
}
