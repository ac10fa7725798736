//! Calendars: create, list, update, delete.

use std::sync::Arc;

use chassis::{
    failpoint::hit,
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey, Who},
    tokens::Identity,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    error::FieldErrors,
    model::{
        CalendarView, ChangeKind, Edit, Membership, NewChange, Role, Zone, check_password, read_color,
        read_name, read_reminders,
    },
    outbox,
    service::Service,
    store::{CalendarRow, SettingsRow, Tx},
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
    /// A new zone; cleared: UTC.
    pub time_zone: Edit<String>,
    /// A new colour; cleared or empty: none.
    pub color: Edit<String>,
    /// New default reminders; cleared: none.
    pub default_reminders: Edit<Vec<u32>>,
}

/// Creates a calendar; the caller is its owner. `invalid`, `calendar_name_taken`.
pub async fn create(service: &Service, caller: &Identity, new: NewCalendar) -> Result<CalendarView, Fault> {
    make(service, caller, new, None).await.map(|made| made.answer)
}

/// The same, once for a key of the caller's. `idempotency_mismatch`,
/// `idempotency_in_flight`.
pub async fn create_once(
    service: &Service,
    caller: &Identity,
    new: NewCalendar,
    key: Option<&IdempotencyKey>,
) -> Result<Answered<CalendarView>, Fault> {
    let idempotency = service.store.idempotency();
    let who = Who::Account(caller.account_id);
    let body = (&new.calendar_name, &new.calendar_password, &new.time_zone, &new.color);
    let claim = idempotency.claim(who, "create_calendar", key, &body).await?;
    if let Some(first) = idempotency.first(claim.as_ref()).await? {
        return Ok(first);
    }
    // Boxed: what a key needs besides must not make the request's future large.
    let made = Box::pin(make(service, caller, new, claim.as_ref())).await;
    idempotency.settle(claim.as_ref(), &made).await;
    made
}

async fn make(
    service: &Service,
    caller: &Identity,
    new: NewCalendar,
    claim: Option<&Claim>,
) -> Result<Answered<CalendarView>, Fault> {
    let mut errors = FieldErrors::new();
    let name = errors.take("calendar_name", read_name(&new.calendar_name));
    errors.take("calendar_password", check_password(&new.calendar_password));
    let zone = errors.take("time_zone", read_zone(&new.time_zone));
    let color = errors.take("color", read_color(&new.color));
    let (name, zone, color) = errors.finish_with(name.zip(zone).zip(color).map(|((n, z), c)| (n, z, c)))?;

    let password_hash = service.passwords.hash(new.calendar_password).await?;
    let calendar_id = Uuid::now_v7();
    let mut tx = service.store.begin().await?;
    if let Some(claim) = claim
        && let Some(first) = tx.enter_claim(claim).await?
    {
        return Ok(first);
    }
    let row = CalendarRow {
        calendar_id,
        calendar_name: &name,
        password_hash: &password_hash,
        time_zone: zone.name(),
        color: &color,
    };
    let created_at = tx.insert_calendar(&row).await?;
    tx.insert_member(calendar_id, caller.account_id, &caller.username, Role::Owner, 1).await?;
    let joined = NewChange::member(
        ChangeKind::MemberJoined,
        &caller.username,
        (caller.account_id, &caller.username),
        Some(Role::Owner),
    );
    let changes = tx.append(calendar_id, vec![joined]).await?;
    let view = CalendarView {
        calendar_id,
        calendar_name: name,
        time_zone: zone.name().to_owned(),
        color,
        default_reminders: Vec::new(),
        role: Role::Owner,
        member_count: 1,
        last_seq: 1,
        created_at,
    };
    if let Some(claim) = claim {
        tx.keep_answer(claim, &view).await?;
    }
    tx.commit().await?;
    hit("create_calendar.committed").await?;

    service.announce(changes);
    Ok(Answered::first(view))
}

/// The calendars the caller is in, by name.
pub async fn list(service: &Service, caller: &Identity) -> Result<Vec<CalendarView>, Fault> {
    service.store.calendars(caller.account_id).await
}

/// Changes settings, as an owner. `calendar_not_found`, `forbidden`, `invalid`, `calendar_name_taken`.
pub async fn update(
    service: &Service,
    caller: &Identity,
    calendar_id: Uuid,
    patch: SettingsPatch,
) -> Result<CalendarView, Fault> {
    // Who may not do it is told before what is wrong with it, and pays no hash.
    let place = service.store.membership(calendar_id, caller.account_id).await?;
    place.ok_or_else(not_found)?.role.may_rule()?;
    let password = patch.calendar_password.set().cloned();
    let mut settings = read_settings(patch)?;
    if let Some(password) = password {
        settings.password_hash = Some(service.passwords.hash(password).await?);
    }

    let mut tx = service.store.begin().await?;
    let place = enter(&mut tx, caller, calendar_id).await?;
    place.role.may_rule()?;
    let mut view = tx.update_settings(&place, &settings).await?;
    let calendar = json!({
        "calendar_name": view.calendar_name,
        "time_zone": view.time_zone,
        "color": view.color,
        "default_reminders": view.default_reminders,
    });
    let payload = json!({ "calendar": calendar }).to_string();
    let change = NewChange {
        kind: ChangeKind::SettingsChanged,
        by: Arc::clone(&caller.username),
        subject: None,
        payload,
    };
    let changes = tx.append(calendar_id, vec![change]).await?;
    if settings.default_reminders.is_some() {
        outbox::queue_calendar_reminders(&mut tx, calendar_id).await?;
    }
    tx.commit().await?;

    view.last_seq += 1;
    service.announce(changes);
    Ok(view)
}

/// Deletes a calendar, as an owner: gone for everybody at once, kept for 30
/// days, its name is free. `calendar_not_found`, `forbidden`.
pub async fn delete(service: &Service, caller: &Identity, calendar_id: Uuid) -> Result<(), Fault> {
    let mut tx = service.store.begin().await?;
    let place = enter(&mut tx, caller, calendar_id).await?;
    place.role.may_rule()?;
    let change = end(&mut tx, calendar_id, &caller.username).await?;
    let changes = tx.append(calendar_id, vec![change]).await?;
    tx.commit().await?;
    service.announce(changes);
    Ok(())
}

/// Deletes a calendar that is entered; the change that says so is still to be appended.
pub(crate) async fn end(tx: &mut Tx, calendar_id: Uuid, by: &Arc<str>) -> Result<NewChange, Fault> {
    tx.delete_calendar(calendar_id).await?;
    outbox::queue_calendar_gone(tx, calendar_id).await?;
    Ok(NewChange {
        kind: ChangeKind::CalendarDeleted,
        by: Arc::clone(by),
        subject: None,
        payload: "{}".to_owned(),
    })
}

/// Enters a calendar by id as its member; strangers hear `calendar_not_found`.
pub(crate) async fn enter(tx: &mut Tx, caller: &Identity, calendar_id: Uuid) -> Result<Membership, Fault> {
    tx.enter(calendar_id, caller.account_id).await?.ok_or_else(not_found)
}

/// The one answer by id, for foreign and absent alike.
pub(crate) fn not_found() -> Fault {
    Fault::of(Reason::CalendarNotFound)
}

fn read_zone(name: &str) -> Result<Zone, &'static str> {
    if name.is_empty() {
        return Ok(Zone::utc());
    }
    Zone::find(name).ok_or("must be an IANA time zone such as Europe/Berlin")
}

fn read_settings(patch: SettingsPatch) -> Result<SettingsRow, Fault> {
    const REQUIRED: &str = "must not be null";
    let mut errors = FieldErrors::new();
    let calendar_name = match patch.calendar_name {
        Edit::Keep => None,
        Edit::Clear => errors.take("calendar_name", Err(REQUIRED)),
        Edit::Set(name) => errors.take("calendar_name", read_name(&name)),
    };
    match &patch.calendar_password {
        Edit::Keep => {}
        Edit::Clear => errors.add("calendar_password", REQUIRED),
        Edit::Set(password) => _ = errors.take("calendar_password", check_password(password)),
    }
    let time_zone = match patch.time_zone {
        Edit::Keep => None,
        Edit::Clear => Some(Zone::utc()),
        Edit::Set(name) => errors.take("time_zone", read_zone(&name)),
    };
    let color = match patch.color {
        Edit::Keep => None,
        Edit::Clear => Some(String::new()),
        Edit::Set(color) => errors.take("color", read_color(&color)),
    };
    let default_reminders = match patch.default_reminders {
        Edit::Keep => None,
        Edit::Clear => Some(Vec::new()),
        Edit::Set(minutes) => errors.take("default_reminders", read_reminders(&minutes)),
    };
    errors.finish()?;
    Ok(SettingsRow {
        calendar_name,
        password_hash: None,
        time_zone: time_zone.map(|zone| zone.name().to_owned()),
        color,
        default_reminders,
    })
}
