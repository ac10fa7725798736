//! Calendars: create, list, update, delete.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::{
    model::{CalendarView, Edit},
    service::Service,
};

/// A calendar to be, as sent.
#[derive(Clone, Default)]
pub struct NewCalendar {
    /// 1 to 100 characters after trimming and NFC; unique without case.
    pub calendar_name: String,
    /// 1 to 128 characters.
    pub calendar_password: String,
    /// IANA name; empty: UTC.
    pub time_zone: String,
    /// `#rrggbb`, or empty.
    pub color: String,
}

/// New settings, as sent.
#[derive(Clone, Default)]
pub struct SettingsPatch {
    /// A new name.
    pub calendar_name: Edit<String>,
    /// A new password.
    pub calendar_password: Edit<String>,
    /// A new zone.
    pub time_zone: Edit<String>,
    /// A new colour; empty: none.
    pub color: Edit<String>,
    /// New default reminders.
    pub default_reminders: Edit<Vec<u32>>,
}

/// Creates a calendar; the caller is its owner. `invalid`, `calendar_name_taken`.
pub async fn create(service: &Service, caller: &Identity, new: NewCalendar) -> Result<CalendarView, Fault> {
    let _ = (service, caller, new);
    todo!()
}

/// The calendars the caller is in, by name.
pub async fn list(service: &Service, caller: &Identity) -> Result<Vec<CalendarView>, Fault> {
    let _ = (service, caller);
    todo!()
}

/// Changes settings, as an owner. `calendar_not_found`, `forbidden`, `invalid`, `calendar_name_taken`.
pub async fn update(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    patch: SettingsPatch,
) -> Result<CalendarView, Fault> {
    let _ = (service, caller, calendar_id, patch);
    todo!()
}

/// Deletes a calendar, as an owner. `calendar_not_found`, `forbidden`.
pub async fn delete(service: &Service, caller: &Identity, calendar_id: Uuid) -> Result<(), Fault> {
    let _ = (service, caller, calendar_id);
    todo!()
}
